"""Row plans: shares and ranges met to the row, conflicts, errors and backing."""

import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from simulacra_crds.reasons import Reason
from simulacra_intake.errors import InputError
from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_trainer.conditions import InfeasibleError, plan_rows
from simulacra_trainer.conditions.cells import Cells
from simulacra_trainer.conditions.rounding import round_greedily


def people(rows: int, seed: int = 0) -> pa.Table:
    """Segment, a correlated sex with missing values, a count and a price."""
    rng = np.random.default_rng(seed)
    segment = rng.choice(4, rows, p=[0.4, 0.3, 0.2, 0.1])
    sex = np.where(rng.random(rows) < 0.3 + 0.1 * segment, "m", "f")
    return pa.table(
        {
            "segment": pa.array(np.array(["a", "b", "c", "d"])[segment]).dictionary_encode(),
            "sex": pa.array(sex, mask=rng.random(rows) < 0.05).dictionary_encode(),
            "kids": pa.array(rng.poisson(1 + 0.3 * segment)),
            "price": pa.array(np.round(rng.normal(5, 1, rows), 2), mask=rng.random(rows) < 0.1),
        }
    )


def counts(pool: pa.Table, plan, column: str) -> dict:
    taken = pool.column(column).take(pa.array(plan.indices)).combine_chunks()
    return {str(e["values"]): e["counts"] for e in pc.value_counts(taken).to_pylist()}


def plan(pool, n, categorical=None, numeric=None, seed=1, behind=None):
    request = ConditionSet(categorical=categorical or {}, numeric=numeric or {})
    return plan_rows(pool, request, n, np.random.default_rng(seed), behind=behind)


def test_an_error_names_the_range_that_the_pool_was_drawn_in() -> None:
    pool = pa.table(
        {"years": pa.array([9] * 50), "degree": pa.array(["school"] * 50).dictionary_encode()}
    )
    asked = ConditionSet(
        categorical={"degree": {"school": 0.0}}, numeric={"years": NumericRange(min=9, max=9)}
    )
    with pytest.raises(InfeasibleError) as caught:
        plan_rows(pool, asked, 10, np.random.default_rng(0), drawn_inside="years")
    said = 'rows of the learned distribution with "years" equal to 9 has "degree" without "school"'
    assert said in caught.value.detail


def test_shares_ranges_and_integer_levels_hold_together_to_the_row():
    pool = people(50_000)
    asked = {"segment": {"d": 0.301, "a": 0.1}, "sex": {"m": 0.7}, "kids": {"0": 0.05, "2": 0.5}}
    got = plan(pool, 10_000, asked, {"price": NumericRange(min=4.5, max=6)})
    assert got.indices.dtype == np.int64
    assert len(got.indices) == 10_000
    assert counts(pool, got, "segment")["d"] == 3010
    assert counts(pool, got, "segment")["a"] == 1000
    assert counts(pool, got, "sex")["m"] == 7000
    assert counts(pool, got, "kids")["0"] == 500
    assert counts(pool, got, "kids")["2"] == 5000
    prices = pool.column("price").take(pa.array(got.indices))
    assert prices.null_count == 0
    assert pc.min(prices).as_py() >= 4.5
    assert pc.max(prices).as_py() <= 6
    assert got.attainment.status == "exact"
    assert got.attainment.moved() == []


def test_unnamed_levels_and_missing_values_keep_their_proportions():
    pool = people(200_000)
    got = plan(pool, 50_000, {"segment": {"d": 0.5}})
    after = counts(pool, got, "segment")
    assert after["d"] == 25_000
    assert after["a"] / after["b"] == pytest.approx(4 / 3, rel=0.05)
    missing = counts(pool, plan(pool, 50_000, {"sex": {"m": 0.5}}), "sex")
    assert missing["None"] / missing["f"] == pytest.approx(0.05 / (0.95 * 0.6), rel=0.1)


def test_the_seed_decides_a_shuffled_order():
    pool = people(5_000)
    one, same, other = (plan(pool, 500, {"segment": {"d": 0.5}}, seed=s) for s in (3, 3, 4))
    assert np.array_equal(one.indices, same.indices)
    assert not np.array_equal(one.indices, other.indices)
    first_half = counts(pool, replace(one, indices=one.indices[:250]), "segment")["d"]
    assert 95 < first_half < 155


def test_rows_repeat_only_when_their_cell_is_used_up():
    pool = people(1_000)
    got = plan(pool, 900, {"segment": {"d": 0.5}})
    is_d = np.array(pool.column("segment").to_pylist()) == "d"
    used = np.bincount(got.indices, minlength=1_000)
    assert used[~is_d].max() == 1
    assert used[is_d].min() >= 450 // is_d.sum()
    assert used[is_d].max() <= 450 // is_d.sum() + 1


def test_without_conditions_rows_are_drawn_plainly():
    got = plan(people(100), 100)
    assert sorted(got.indices) == list(range(100))
    assert got.attainment.kl_nats == 0
    assert got.attainment.effective_sample_size == pytest.approx(100)
    assert got.attainment.summary().asked == 0


def test_a_range_of_one_value_fixes_it():
    pool = people(2_000)
    value = pool.column("price").drop_null()[7].as_py()
    got = plan(pool, 50, numeric={"price": NumericRange(min=value, max=value)})
    assert set(pool.column("price").take(pa.array(got.indices)).to_pylist()) == {value}
    assert got.attainment.kl_nats == pytest.approx(-np.log(got.attainment.accepted))


def test_only_the_detail_of_an_error_names_the_empty_range():
    with pytest.raises(InfeasibleError) as refused:
        plan(
            people(2_000),
            10,
            {"segment": {"d": 0.5}},
            {"price": NumericRange(min=50, max=60), "kids": NumericRange()},
        )
    error = refused.value
    assert isinstance(error, InputError)
    assert error.reason is Reason.CONDITIONS_INFEASIBLE
    assert error.pointer == "/conditions/numeric/price"
    assert '"price" between 50 and 60' in error.detail
    assert "nearest" in error.detail
    assert "kids" not in error.detail
    assert "price" not in str(error)
    assert "price" not in error.message


def test_conflicting_ranges_are_named_together():
    pool = pa.table({"x": [1.0, 2.0, 3.0], "y": [3.0, 2.0, 1.0], "z": [1.0, 1.0, 1.0]})
    ranges = {"x": NumericRange(max=1.5), "z": NumericRange(min=0), "y": NumericRange(max=1.5)}
    with pytest.raises(InfeasibleError, match="2 of the 3") as refused:
        plan(pool, 10, numeric=ranges)
    assert '"x" at most 1.5 and "y" at most 1.5 at once' in refused.value.detail
    assert '"z"' not in refused.value.detail


def test_a_level_without_rows_is_refused_if_fixed_and_partial_as_a_share():
    pool = people(2_000)
    with pytest.raises(InfeasibleError, match="1 of the 1") as refused:
        plan(pool, 10, {"segment": {"zebra": 1.0}})
    assert '"segment" only "zebra"' in refused.value.detail
    got = plan(pool, 100, {"segment": {"zebra": 0.3, "a": 0.2}})
    assert got.attainment.status == "partial"
    moved = got.attainment.moved()
    assert [(m.level, m.asked, m.attained) for m in moved] == [("zebra", 0.3, 0.0)]
    assert moved[0].moved_by == -0.3
    assert counts(pool, got, "segment")["a"] == 20


def test_conflicting_conditions_share_the_distance():
    pool = pa.table(
        {
            "x": pa.array(["a", "b", "c", "c"]).dictionary_encode(),
            "y": pa.array(["p", "q", "p", "p"]),
        }
    )
    pool = pool.set_column(1, "y", pool.column("y").dictionary_encode())
    got = plan(pool, 100, {"x": {"a": 0.8}, "y": {"q": 0.6}})
    assert {m.level: m.attained for m in got.attainment.moved()} == {"a": 0.6, "q": 0.4}
    assert got.attainment.summary().max_abs_error == pytest.approx(0.2)
    assert got.attainment.summary().met == 0


def test_a_share_of_zero_excludes_a_level():
    pool = people(2_000)
    got = plan(pool, 500, {"segment": {"a": 0.0}, "sex": {"m": 1.0}})
    assert "a" not in counts(pool, got, "segment")
    assert counts(pool, got, "sex") == {"m": 500}
    assert got.attainment.status == "exact"


def test_backing_is_the_share_of_the_pool_under_the_tilt():
    pool = people(100_000)
    natural = plan(pool, 1_000, {"segment": {"d": 0.1}}, behind=2_000).attainment
    assert natural.backing == pytest.approx(2_000, rel=0.02)
    rare = plan(pool, 1_000, {"segment": {"d": 1.0}}, behind=2_000).attainment
    share = pool.column("segment").to_pylist().count("d") / 100_000
    assert rare.backing == pytest.approx(2_000 * share)
    assert rare.summary().effective_sample_size == rare.backing
    half = plan(pool, 1_000, {"segment": {"d": 0.5}}, behind=2_000).attainment
    assert half.backing == pytest.approx(2_000 / (0.25 / share + 0.25 / (1 - share)))
    assert plan(pool, 1_000, {"segment": {"d": 1.0}}).attainment.backing is None


def test_pools_of_one_row_missing_values_or_no_rows():
    one_row = pa.table({"k": pa.array(["a"]).dictionary_encode()})
    assert plan(one_row, 7, {"k": {"a": 0.5}}).indices.tolist() == [0] * 7
    gone = pa.table(
        {
            "k": pa.array([None, None], pa.string()).dictionary_encode(),
            "v": pa.array([None, None], pa.float64()),
        }
    )
    assert plan(gone, 4, {"k": {"a": 0.25}}).attainment.status == "partial"
    with pytest.raises(InfeasibleError):
        plan(gone, 4, numeric={"v": NumericRange(min=0)})
    with pytest.raises(ValueError, match="pool is empty"):
        plan(one_row.slice(0, 0), 4)


def test_shares_above_one_and_of_columns_without_levels_are_refused():
    with pytest.raises(InputError, match="more than 1") as refused:
        plan(people(10), 5, {"sex": {"m": 0.7, "f": 0.6}})
    assert refused.value.pointer == "/conditions/categorical/sex"
    with pytest.raises(InputError, match="without levels"):
        plan(people(10), 5, {"price": {"5.0": 0.6}})


def test_integer_levels_that_are_not_numbers_are_not_met():
    got = plan(people(1_000), 100, {"kids": {"-0": 0.2, "many": 0.1}})
    assert {m.level for m in got.attainment.moved()} == {"many"}


def test_more_class_combinations_than_64_bits_can_number():
    rng = np.random.default_rng(0)
    names = [f"v{i}" for i in range(200)]
    pool = pa.table(
        {f"c{j}": pa.array(rng.choice(names[:3], 500)).dictionary_encode() for j in range(10)}
    )
    asked = {f"c{j}": dict.fromkeys(names, 0.004) for j in range(10)}
    got = plan(pool, 1_000, asked)
    assert got.attainment.status == "partial"  # the rest has no row in the pool
    assert sum(counts(pool, got, "c9").values()) == 1_000


def test_a_million_rows_are_planned_within_seconds():
    pool = people(1_000_000)
    asked = {"segment": {"d": 0.3, "a": 0.1}, "sex": {"m": 0.7}, "kids": {"0": 0.1, "2": 0.5}}
    started = time.process_time()
    got = plan(pool, 1_000_000, asked, {"price": NumericRange(min=4.5, max=6)})
    assert time.process_time() - started < 3
    assert got.attainment.status == "exact"


def test_the_summary_holds_no_names():
    got = plan(people(2_000), 100, {"segment": {"zebra": 0.3}}, {"price": NumericRange(min=5)})
    text = got.attainment.summary().model_dump_json()
    assert not any(word in text for word in ("segment", "zebra", "price"))
    assert got.attainment.to_wire()["conditions"][0]["level"] == "zebra"


def test_a_table_whose_floors_overfill_a_margin_is_not_rounded() -> None:
    one = np.array([[0], [1]])
    cells = Cells(one, np.array([2]), np.array([0.5, 0.5]), np.array([0, 1]))
    rng = np.random.default_rng(1)
    table, is_whole = round_greedily(cells, np.array([0.5, 0.4]), np.array([4, 6]), 10, rng)
    assert (table.tolist(), is_whole) == ([5, 4], False)

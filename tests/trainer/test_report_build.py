import json
import time

import numpy as np
import pyarrow as pa
import pytest

from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.conditions import plan_rows
from simulacra_trainer.report import build_report, figures
from simulacra_trainer.report.comparison.columns import bin_codes, level_codes, row_hashes
from simulacra_trainer.report.comparison.fidelity import total_variation
from simulacra_trainer.report.privacy import exact_copies

KINDS = {"double": "numeric", "int64": "integer", "timestamp[us]": "datetime"}


def schema_of(table: pa.Table) -> TableSchema:
    columns = [
        ColumnSchema(name=f.name, kind=KINDS.get(str(f.type), "categorical"), storage=str(f.type))
        for f in table.schema
    ]
    return TableSchema(rows=table.num_rows, columns=columns)


def people(rows: int, seed: int, noise: float = 1.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    group = rng.choice(4, rows, p=[0.4, 0.3, 0.2, 0.1])
    income = np.exp(rng.normal(10 + 0.3 * group, 0.5 * noise))
    return pa.table(
        {
            "group": pa.array(
                np.array(["a", "b", "c", "d"])[group], mask=rng.random(rows) < 0.05
            ).dictionary_encode(),
            "kids": pa.array(rng.poisson(1 + group)),
            "income": pa.array(income, mask=rng.random(rows) < 0.1),
            "seen": pa.array(
                1_700_000_000_000_000 + (group * 10**12) + rng.integers(0, 10**12, rows)
            ).cast(pa.timestamp("us")),
        }
    )


def shuffled_columns(table: pa.Table, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns = {
        n: table.column(n).take(pa.array(rng.permutation(table.num_rows)))
        for n in table.column_names
    }
    return pa.table(columns)


def test_real_rows_are_at_the_floor_and_independent_columns_above():
    train, holdout, fresh = people(6_000, 1), people(3_000, 2), people(6_000, 3)
    good = build_report(train, holdout, fresh, schema_of(train))["fidelity"]
    assert good["against"] == "holdout"
    assert good["bivariate"]["error"] == pytest.approx(good["bivariate"]["floor"], rel=0.15)
    assert good["bivariate"]["pairs"] == 6
    bad = build_report(train, holdout, shuffled_columns(fresh), schema_of(train))["fidelity"]
    assert bad["univariate"]["error"] == pytest.approx(bad["univariate"]["floor"], rel=0.3)
    assert bad["bivariate"]["error"] > 3 * bad["bivariate"]["floor"]
    assert bad["worst_pairs"][0]["error"] > 10
    assert [c["column"] for c in bad["columns"]] == train.column_names


def test_privacy_figures_show_the_share_of_copied_rows():
    train, holdout, fresh = people(4_000, 1), people(1_500, 2), people(4_000, 3)
    clean = build_report(train, holdout, fresh, schema_of(train))["privacy"]
    assert clean["dcr_share"] == pytest.approx(0.5, abs=0.04)
    assert clean["exact_copies"] == clean["exact_base"] == 0
    copied = pa.concat_tables([train.slice(0, 1_000), fresh.slice(0, 1_000)])
    half = build_report(train, holdout, copied, schema_of(train))["privacy"]
    assert half["dcr_share"] == pytest.approx(0.75, abs=0.04)
    assert half["exact_copies"] == 0.5
    near, far = half["distances"]["synthetic"], half["distances"]["unseen"]
    assert near[0] > 0.5 > 2 * far[0]  # copies are at their originals, not at unseen rows
    assert half["nearest"]["synthetic"]["median"] < 0.7 * half["nearest"]["holdout"]["median"]


def test_copies_are_judged_against_the_base_rate_of_real_rows():
    rng = np.random.default_rng(0)
    tables = [
        pa.table({"x": pa.array(rng.choice(list("ab"), n)).dictionary_encode()})
        for n in (500, 300, 200)
    ]
    found = build_report(*tables, schema_of(tables[0]))
    assert (found["privacy"]["exact_copies"], found["privacy"]["exact_base"]) == (1.0, 1.0)
    assert found["privacy"]["dcr_share"] == pytest.approx(0.5, abs=0.02)


def test_copies_of_wide_rows_agree_in_every_column():
    train = pa.table({f"c{j}": np.arange(50) + j for j in range(41)})
    others = train.set_column(40, "c40", pa.array(np.arange(50)))
    drawn = pa.concat_tables([train.slice(0, 20), others.slice(0, 30)])
    assert exact_copies(train, others, drawn, train.column_names) == (0.4, 0.0)


def test_row_hashes_differ_by_value_missing_and_column():
    table = pa.table(
        {
            "x": [1.0, 1.0000001, 1.1, None, 0.0, -0.0],
            "y": pa.array(["a", "a", "a", "a", None, None]),
        }
    )
    table = table.set_column(1, "y", table.column("y").dictionary_encode())
    (hashes,) = row_hashes([table], ["x", "y"])
    assert hashes[0] == hashes[1]
    assert hashes[4] == hashes[5]
    assert len(set(hashes.tolist())) == 4
    swapped = pa.table({"x": [2, 1], "y": [1, 2]})
    (both,) = row_hashes([swapped], ["x", "y"])
    assert both[0] != both[1]


def test_levels_are_shared_although_dictionaries_differ():
    one = pa.table({"k": pa.array(["a", "b", None]).dictionary_encode()})
    two = pa.table(
        {
            "k": pa.chunked_array(
                [pa.array(["b"]).dictionary_encode(), pa.array(["c"]).dictionary_encode()]
            )
        }
    )
    (first, second), size = level_codes([one, two], "k")
    assert first.tolist() == [1, 2, 0]
    assert second.tolist() == [2, 3]
    assert size == 4
    assert exact_copies(one, two, two, ["k"]) == (0.5, 0.5)


def test_bins_are_deciles_of_the_first_table_with_missing_separate():
    table = pa.table({"v": pa.array([*range(100), None], pa.float64())})
    (codes,), size = bin_codes([table], "v")
    assert size == 11
    assert np.bincount(codes).tolist() == [1, *[10] * 10]
    assert total_variation(codes, codes[:50], size) == pytest.approx(51 / 101)


def test_spike_has_its_own_bin():
    real = pa.table({"gain": [0.0] * 92 + [float(v) for v in range(1, 9)]})
    lost = pa.table({"gain": [0.0] * 100})
    (one, other), size = bin_codes([real, lost], "gain")
    assert total_variation(one, other, size) == pytest.approx(0.08)


def test_without_holdout_there_is_fidelity_but_no_privacy():
    train = people(2_000, 1)
    found = build_report(train, None, people(1_000, 2), schema_of(train))
    assert found["privacy"] is None
    assert found["fidelity"]["against"] == "half of the training rows"
    assert found["fidelity"]["bivariate"]["error"] == pytest.approx(
        found["fidelity"]["bivariate"]["floor"], rel=0.25
    )
    assert "dcr_share" not in figures(found)


def test_figures_contain_no_names():
    train = people(2_000, 1)
    request = ConditionSet(
        categorical={"group": {"d": 0.5, "zebra": 0.1}}, numeric={"income": NumericRange(min=1)}
    )
    plan = plan_rows(train, request, 500, np.random.default_rng(0), behind=train.num_rows)
    found = build_report(
        train,
        people(500, 2),
        train.take(pa.array(plan.indices)),
        schema_of(train),
        graph_json={
            "edges": [{"source": "group", "target": "income", "strength": 1.0, "state": "directed"}]
        },
        conditions=plan.attainment,
        timings={"fit": 0.25},
    )
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    small = figures(found)
    assert len(small) <= 32
    assert all(isinstance(v, float) and np.isfinite(v) for v in small.values())
    assert not any(name in key for key in small for name in train.column_names)
    assert (small["conditions_asked"], small["conditions_met"]) == (3, 2)


def test_same_seed_gives_the_same_report():
    train, holdout, fresh = people(3_000, 1), people(900, 2), people(2_000, 3)
    schema = schema_of(train)
    assert build_report(train, holdout, fresh, schema, seed=5) == build_report(
        train, holdout, fresh, schema, seed=5
    )


@pytest.mark.parametrize(
    "table",
    [
        pa.table(
            {
                "x": pa.array([None] * 20, pa.float64()),
                "k": pa.array([None] * 20, pa.string()).dictionary_encode(),
            }
        ),
        pa.table({"x": [3.0] * 20, "k": pa.array(["a"] * 20).dictionary_encode()}),
        pa.table({"x": [1.0] * 2, "k": pa.array(["a"] * 2).dictionary_encode()}),
        pa.table({f"c{i}": np.random.default_rng(i).normal(size=5) for i in range(60)}),
        pa.table({"only": np.arange(30.0)}),
        pa.table({"x": [float("inf"), 1.0, 2.0] * 5}),
    ],
    ids=["all missing", "constant", "two rows", "more columns than rows", "one column", "infinite"],
)
def test_degenerate_tables_give_finite_figures(table):
    found = build_report(table, table, table, schema_of(table))
    assert all(np.isfinite(v) for v in figures(found).values())
    json.dumps(found, allow_nan=False)
    assert found["fidelity"]["univariate"]["error"] == 0
    assert found["privacy"]["exact_copies"] == 1


def test_a_report_of_chosen_rows_counts_no_person():
    table, drawn = people(120, 1), people(400, 2)
    schema, told = schema_of(table), []
    for place in range(40):  # requests that leave out one person each
        kept = table.filter(pa.array(np.arange(table.num_rows) != place))
        again = [build_report(kept, None, drawn, schema, seed=of)["fidelity"] for of in (1, 2)]
        assert again[0] == again[1]
        told.append(again[0])
    counts = [one["rows_compared"] for one in told]
    assert len(set(counts)) > 2  # the exact one is 60 for all
    assert abs(np.mean(counts) - 60) < 1
    for one in told:  # the error of a share of 60 rows is 6 %
        assert one["columns"][0]["floor"] % 1 == 0


def test_a_report_of_chosen_rows_counts_no_person_of_several_rows():
    """Leaving out a person moves the counts by four rows, and so does the noise."""
    table, drawn = people(480, 1), people(400, 2)
    who = np.repeat(np.arange(120), 4)
    table = table.append_column("person", pa.array(who))
    known = ColumnSchema(
        name="person", kind="identifier", storage="int64", role="subject", learned=False
    )
    columns = [*schema_of(table.drop_columns("person")).columns, known]
    schema = TableSchema(rows=table.num_rows, columns=columns)
    counts = [
        build_report(table.filter(pa.array(who != one)), None, drawn, schema)["fidelity"][
            "rows_compared"
        ]
        for one in range(40)
    ]
    assert np.std(counts) > 2  # of about 238; with the noise of one row it is about 1


def test_table_with_at_most_one_row_has_no_figures():
    one = people(1, 0)
    for found in (
        build_report(one, one, one, schema_of(one)),
        build_report(one, None, one.slice(0, 0), schema_of(one)),
    ):
        assert found["fidelity"] is None
        assert figures(found) == {}


def test_wide_tables_compare_a_limited_number_of_pairs():
    rng = np.random.default_rng(0)
    table = pa.table({f"c{i}": rng.normal(size=800) for i in range(100)})
    started = time.process_time()
    found = build_report(table, table.slice(0, 200), table.slice(0, 400), schema_of(table))
    assert found["fidelity"]["bivariate"]["pairs"] == 800
    assert len(found["fidelity"]["worst_pairs"]) == 50
    assert time.process_time() - started < 10

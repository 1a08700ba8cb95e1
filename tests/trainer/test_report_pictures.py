"""Shares, associations and reweighted rows of the report, and the rule on rare answers."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_schema.questions.fit import DifferentialPrivacy
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.generation_report import report_generation
from simulacra_trainer.report import build_report, render_html
from simulacra_trainer.report.charts import draw_column
from simulacra_trainer.report.comparison.associations import associations
from simulacra_trainer.report.comparison.marginals import marginals
from simulacra_trainer.report.comparison.slices import slice_worth
from simulacra_trainer.report.person_groups import find_groups
from simulacra_trainer.report.reweighting import LEAST, reweighted
from trainer_tables import survey


def column(name: str, kind: str = "categorical") -> ColumnSchema:
    return ColumnSchema(name=name, kind=kind, storage="string")


def words(*counts: tuple[str, int]) -> pa.Table:
    values = [word for word, count in counts for _ in range(count)]
    return pa.table({"k": pa.array(values).dictionary_encode()})


def shares_of(real: pa.Table, kind: str = "categorical", **options: object) -> dict:
    (found,) = marginals(real, real, [column(real.column_names[0], kind)], **options)
    return found


def test_rare_answers_are_summed_up_until_five_persons_share_them() -> None:
    found = shares_of(words(("a", 50), ("b", 30), ("c", 3), ("d", 2)))
    assert (found["cells"], found["others"]) == (["a", "b"], 2)
    assert found["real"] == found["generated"] == [0.5882, 0.3529, 0.0588]
    # One rare answer alone would be told by what is left of 100 %.
    found = shares_of(words(("a", 50), ("b", 30), ("c", 3)))
    assert (found["cells"], found["others"]) == (["a"], 2)


def test_a_number_that_no_real_row_has_is_one_other_answer() -> None:
    real = pa.table({"v": pa.array([1.0, 2.0, 4.0] * 20)})
    drawn = pa.table({"v": pa.array([1.0, 2.0, 3.0, 4.0] * 15)})
    (found,) = marginals(real, drawn, [column("v", "integer")])
    assert (found["cells"], found["others"]) == (["1", "2", "4"], 1)
    assert found["generated"] == [0.25] * 4
    schema = TableSchema(columns=[column("v", "integer")], rows=60)
    assert slice_worth(60.0, [found], real, schema, rows=60.0, ratio=1.0) == []


def test_persons_are_counted_and_not_their_rows() -> None:
    table = words(("a", 50), ("b", 50))
    many = np.concatenate([np.arange(50), np.arange(50)])
    assert shares_of(table, persons=many)["cells"] == ["a", "b"]
    four = np.concatenate([np.arange(50), np.arange(50) % 4])
    assert shares_of(table, persons=four)["cells"] == []


def test_missing_is_not_told_of_few_persons() -> None:
    table = words(("a", 50))
    few = pa.concat_tables([table, pa.table({"k": pa.nulls(4, table.schema.field(0).type)})])
    assert shares_of(few.combine_chunks())["missing"] == [None, 0.0741]
    more = pa.concat_tables([few, few]).combine_chunks()
    assert shares_of(more)["missing"] == [0.0741, 0.0741]


@pytest.mark.parametrize("kind", ["numeric", "integer", "datetime"])
def test_bins_are_round_and_hold_five_persons(kind: str) -> None:
    rng = np.random.default_rng(0)
    values = np.round(rng.lognormal(3, 2, 60) * (86_400e6 if kind == "datetime" else 1), 3)
    values = np.floor(values) if kind == "integer" else values
    found = shares_of(pa.table({"v": values}), kind)
    assert sum(found["real"]) == pytest.approx(1, abs=1e-3)
    assert all(share == 0 or share * 60 > MIN_PERSONS - 0.1 for share in found["real"])
    if found["kind"] == "levels":
        return
    assert not set(found["edges"]) & set(values.tolist()) or kind == "integer"
    assert len(found["edges"]) == len(found["real"]) + 1


@pytest.mark.parametrize(
    "values",
    [
        1e16 + 2 * np.arange(3),
        1e17 + 16 * np.arange(3),
        1e15 + np.arange(2) / 8,
        np.array([-1e308, 1e308]),
        np.array([1.7e308, 1.79e308]),
        np.full(1, -np.finfo(float).max),
        np.full(1, 5e-324),
    ],
)
def test_pictures_of_numbers_at_the_limits_of_floats(values: np.ndarray) -> None:
    found = shares_of(pa.table({"v": np.repeat(values, 10)}), "numeric")
    assert np.isfinite(found["edges"]).all()
    assert (np.diff([edge / 2 for edge in found["edges"]]) > 0).all()
    assert sum(found["real"]) == pytest.approx(1)
    assert not {"nan", "inf"} & set(re.findall("[a-z]+", draw_column(found).partition(">")[2]))


def test_numbers_from_0_to_10_are_drawn_to_10() -> None:
    grid = np.repeat(np.linspace(0, 10, 41), 10)
    found = shares_of(pa.table({"v": grid}), "numeric")
    assert (found["edges"][0], found["edges"][-1], found["whole"]) == (0, 10, False)
    found = shares_of(pa.table({"v": np.repeat(np.arange(11.0), 10)}), "numeric")
    assert (found["real"], found["whole"]) == ([0.0909] * 11, True)
    texts = re.findall("<text[^>]*>([^<]*)<", draw_column(found))
    assert (texts[0], texts[-1]) == ("0", "10")


def test_few_answers_have_no_picture_and_few_whole_numbers_are_levels() -> None:
    assert shares_of(words(("a", 2), ("b", 2)))["cells"] == []
    assert shares_of(pa.table({"v": [1.5, 2.5, 3.5, 9.0]}), "numeric")["edges"] == []
    found = shares_of(pa.table({"v": [0] * 6 + [1] * 14}), "integer")
    assert (found["kind"], found["cells"], found["real"]) == ("levels", ["0", "1"], [0.3, 0.7])


def test_association_is_that_of_levels_and_numbers_alike() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=3_000)
    sign = pa.array(np.where(x > 0, "up", "down")).dictionary_encode()
    real = pa.table({"x": x, "sign": sign, "noise": rng.normal(size=3_000)})
    lost = real.set_column(0, "x", pa.array(rng.permutation(x)))
    found = associations(real, lost, real.column_names, np.random.default_rng(1))
    assert found is not None
    assert found["columns"] == real.column_names
    assert found["real"][0][1] > 0.9
    assert found["generated"][0][1] < 0.1
    assert max(found["real"][2]) < 0.1
    assert found["related"]["pairs"] == 1
    assert sum(count for _, _, count in found["squares"]) == found["pairs"] == 3
    assert associations(real, lost, ["x"], np.random.default_rng(1)) is None


def test_wide_tables_show_the_columns_that_differ_most() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=600)
    names = [f"c{at}" for at in range(60)]
    real = pa.table({name: base + rng.normal(size=600) for name in names})
    lost = real.set_column(59, "c59", pa.array(rng.normal(size=600)))
    found = associations(real, lost, names, np.random.default_rng(1))
    assert found is not None
    assert (len(found["columns"]), found["compared"], found["pairs"]) == (24, 60, 1_770)
    assert found["columns"][-1] == "c59"


def test_real_rows_are_reweighted_to_the_conditions() -> None:
    real, _ = survey(2_000, seed=1)
    name = "region"
    levels = real.column(name).combine_chunks().dictionary.to_pylist()
    is_first = np.array([v == levels[0] for v in real.column(name).to_pylist()])
    drawn = real.filter(pa.array(is_first | (np.arange(2_000) % 9 == 0)))
    share = np.mean([v == levels[0] for v in drawn.column(name).to_pylist()])
    asked = ConditionSet(
        categorical={name: {levels[0]: 0.9}}, numeric={"age": NumericRange(min=30, max=60)}
    )
    found = reweighted(real, drawn, asked, None)
    assert found is not None
    table, weights = found
    inside = np.array([v == levels[0] for v in table.column(name).to_pylist()])
    assert weights[inside].sum() / weights.sum() == pytest.approx(share, abs=0.005)
    ages = table.column("age").to_numpy()
    assert 29 < ages.min() < 31
    assert 59 < ages.max() < 61
    assert weights.mean() == pytest.approx(1)


def _answers(n: int) -> pa.Table:
    """Return one person a row with a rare age, a region and an answer."""
    rng = np.random.default_rng(4)
    region = pa.array(rng.choice(["north", "south"], n)).dictionary_encode()
    return pa.table({"age": rng.uniform(18, 90, n), "income": rng.normal(size=n), "region": region})


@pytest.mark.parametrize("rows_a_person", [1, 3])
@pytest.mark.parametrize("share", [None, 1.0])
def test_rows_of_two_ranges_differ_by_five_persons_or_none(
    share: float | None, rows_a_person: int
) -> None:
    real = _answers(600).append_column("row", pa.array(np.arange(600)))
    person = np.arange(600) // rows_a_person
    shares = {} if share is None else {"region": {"north": share}}
    ends = [{"age": NumericRange(min=30, max=float(end))} for end in np.arange(60, 63, 0.05)]
    ends += [{**one, "income": NumericRange(max=0.5)} for one in ends]
    for ranges in (ends[:60], ends[60:]):
        kept = []
        for one in ranges:
            asked = ConditionSet(numeric=one, categorical=shares)
            drawn = real.filter(pc.equal(real.column("region"), "north"))
            found = reweighted(real, drawn, asked, None, person)
            assert found is not None
            kept.append(set(found[0].column("row").to_pylist()))
        apart = [{person[row] for row in a ^ b} for a, b in pairwise(kept)]
        assert all(len(of) == 0 or len(of) >= MIN_PERSONS for of in apart)
        assert any(apart)


def test_groups_do_not_mix_classes_and_leave_out_small_ones() -> None:
    values = np.array([[1.0]] * 3 + [[np.nan]] + [[2.0]] * 5 + [[3.0]] * 6)
    groups = find_groups(values, np.zeros(15, np.int64), None)
    assert [groups[:9].tolist(), groups[9:].tolist()] == [[groups[0]] * 9, [groups[9]] * 6]
    assert groups[0] != groups[9]
    classes = np.array([0] * 4 + [1] * 11)
    assert find_groups(values, classes, None)[:4].tolist() == [-1] * 4
    assert set(find_groups(values, classes * 0, np.arange(15) % 4).tolist()) == {-1}


def test_rows_are_not_compared_where_few_real_rows_meet_the_conditions() -> None:
    real, _ = survey(2_000, seed=1)
    none = ConditionSet(numeric={"age": NumericRange(min=1e6)})
    assert reweighted(real, real, none, None) is None
    few = real.slice(0, 20)
    assert reweighted(few, few, ConditionSet(numeric={"age": NumericRange(min=0)}), None) is None


def test_whether_rows_are_compared_does_not_count_persons() -> None:
    """The least number of rows has the noise of one person: sets of just as many differ."""
    real = _answers(LEAST + 1)
    everybody = ConditionSet(numeric={"age": NumericRange(min=0)})
    keys = np.random.default_rng(0).integers(0, 2**63, LEAST + 1, np.uint64)
    compared = []
    for place in range(LEAST + 1):
        rest = np.arange(LEAST + 1) != place
        kept = real.filter(pa.array(rest))
        compared.append(reweighted(kept, kept, everybody, None, None, keys[rest]) is not None)
        assert reweighted(kept, kept, everybody, None) is not None
    assert 5 < sum(compared) < LEAST - 5


@pytest.fixture(scope="module")
def dialects() -> TrainedModel:
    """Return a model of 1,000 persons; ten live in the north and speak its dialect."""
    rng = np.random.default_rng(0)
    region = np.where(np.arange(1_000) < 10, "north", rng.choice(["south", "east"], 1_000))
    of_all = {"region": region, "dialect": region, "uses": rng.choice(["yes", "no"], 1_000)}
    clean = clean_table(pa.table({name: pa.array(of) for name, of in of_all.items()}))
    return fit_model(clean.table, clean.schema, FitRequest(seed=1))


def report_on(model: TrainedModel, conditions: ConditionSet) -> dict:
    request = GenerateRequest(row_count=2_000, conditions=conditions, seed=3, evidence=True)
    plan = plan_generation(model, request)
    first: list[pa.Table] = []
    list(generate_rows(model, plan, on_first=first.append))
    return report_generation(model, request, plan, first[0])


def test_slices_claim_no_more_respondents_than_gave_the_answer(dialects: TrainedModel) -> None:
    half = ConditionSet(categorical={"region": {"north": 0.5}})
    reports = [report_on(dialects, of)["worth"] for of in (half, ConditionSet())]
    for found in (*reports, dialects.report["worth"]):
        worth = {(one["column"], one["level"]): one["worth"] for one in found["slices"]}
        assert 0 < worth["dialect", "north"] <= 10
        assert worth["uses", "yes"] == pytest.approx(found["worth"] / 2, rel=0.1)


def test_slice_of_a_labeled_code_beside_one_without_label_counts_its_rows() -> None:
    scale = column("trust", "integer")
    scale.levels = [LevelSchema(value="0", share=0.75, label="none")]
    scale.levels += [LevelSchema(value="1", share=0.25)]
    real = pa.table({"trust": pa.array([0] * 30 + [1] * 10)})
    schema = TableSchema(columns=[scale], rows=40)
    shown = marginals(real, real, [scale])
    found = slice_worth(40.0, shown, real, schema, rows=40.0, ratio=1.0)
    worth = {one["level"]: one["worth"] for one in found}
    assert worth["none"] == pytest.approx(3 * worth["1"])


def test_generation_of_a_private_model_tells_no_shares(dialects: TrainedModel) -> None:
    said = {"differential_privacy": {"epsilon": 1.0, "delta": 1e-6}}
    private = replace(dialects, report=dialects.report | said)
    found = report_on(private, ConditionSet())
    assert (found["marginals"], found["associations"]) == ([], None)


def test_report_with_epsilon_tells_no_real_shares() -> None:
    table, schema = survey(400, seed=1)
    guarantee = DifferentialPrivacy(epsilon=1)
    found = build_report(table, table, table, schema, guarantee=guarantee)
    assert (found["marginals"], found["associations"]) == ([], None)
    assert "Pictures of real shares are left out" in render_html(found)


def test_generation_is_compared_with_real_rows_under_its_conditions(trained: TrainedModel) -> None:
    column = next(one for one in trained.schema.learned() if one.name == "region")
    rare = min(column.levels, key=lambda level: level.share).value
    asked = ConditionSet(categorical={"region": {rare: 0.8}})
    request = GenerateRequest(row_count=1_500, conditions=asked, seed=3)
    plan = plan_generation(trained, request)
    first: list[pa.Table] = []
    list(generate_rows(trained, plan, on_first=first.append))
    found = report_generation(trained, request, plan, first[0])
    assert found["asked"]["reweighted"] is True
    assert found["rows"]["train"] == trained.table.num_rows
    unconditioned = replace(plan, attainment=None)
    plain = GenerateRequest(row_count=1_500, seed=3)
    as_before = report_generation(trained, plain, unconditioned, first[0])
    others = {one["column"] for one in found["fidelity"]["columns"]}
    before = [one for one in as_before["fidelity"]["columns"] if one["column"] in others]
    errors = [
        np.mean([c["error"] - c["floor"] for c in of])
        for of in (found["fidelity"]["columns"], before)
    ]
    assert errors[0] < errors[1]
    page = render_html(found)
    assert "Like with like." in page
    assert "1,500 rows generated with Simulacra" in " ".join(page.split())


def test_generation_that_no_real_rows_back_is_not_compared(trained: TrainedModel) -> None:
    ages = trained.table.column("age").to_numpy()
    asked = ConditionSet(numeric={"age": NumericRange(min=float(np.sort(ages)[-5]))})
    request = GenerateRequest(row_count=100, conditions=asked)
    plan = plan_generation(trained, request)
    first: list[pa.Table] = []
    list(generate_rows(trained, plan, on_first=first.append))
    found = report_generation(trained, request, plan, first[0])
    assert (found["fidelity"], found["asked"]["reweighted"]) == (None, False)
    assert "Too few real rows meet the conditions" in render_html(found)

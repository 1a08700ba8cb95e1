"""Answer sheets: levers, joint intervals, what is ranked, curves with gaps, the files."""

from __future__ import annotations

import html
import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from xml.dom import minidom

import numpy as np
import openpyxl
import pyarrow as pa
import pytest

from effect_results import PARTLY, WHOM, partly_answered, sheet_result
from simulacra_crds.tasks import EstimateRequest, ProgressReport, SheetRequest
from simulacra_intake.errors import InputError
from simulacra_schema.answers import VERDICT_KINDS
from simulacra_schema.claims import SPANNED
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.sheets import Curve, LeverAnswer, SheetResult
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.simultaneous import critical_value, on_table, student_width
from simulacra_trainer.evidence import Z95
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.sheet.curves import FEW_VALUES, NOT_ASSUMED, lever_curve, near_points
from simulacra_trainer.sheet.estimate import _counts, _digest, answer_sheet
from simulacra_trainer.sheet.levers import (
    BACKGROUND,
    SAID_AFTER,
    SAID_BEFORE,
    THIN_LEVELS,
    read_levers,
)
from simulacra_trainer.sheet.page import render_sheet
from simulacra_trainer.sheet.ranking import UNRANKED, headline, ranked
from simulacra_trainer.sheet.workbook import write_workbook

NAMES = ["z", "age", "ad", "dose", "plan", "y", "late"]


def _level(values: np.ndarray, *names: str) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(values.astype(np.int32)), pa.array(names))


def _table(n: int = 1_000) -> pa.Table:
    """`ad` adds 1 and a unit of `dose` adds 0.5 to y; `plan` adds nothing; z confounds all."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=n)
    ad = rng.random(n) < 1 / (1 + np.exp(-z))
    dose = np.round(rng.choice([1.0, 1.5, 2.0, 5.0, 6.0], n) + 0.2 * rng.random(n), 2)
    plan = rng.integers(0, 3, n)
    y = 3.0 + ad + 0.5 * dose + z + rng.normal(size=n)
    return pa.table(
        {
            "z": z,
            "age": rng.integers(18, 90, n).astype(np.float64),
            "ad": _level(ad, "false", "true"),
            "dose": dose,
            "plan": _level(plan, "basic", "plus", "pro"),
            "y": y,
            "late": y + rng.normal(size=n),
        }
    )


TABLE = _table()
KINDS = {"ad": "boolean", "plan": "categorical", "age": "integer"}


def _schema() -> TableSchema:
    columns = [
        ColumnSchema(
            name=name,
            kind=KINDS.get(name, "numeric"),
            storage="x",
            minimum=18.0 if name == "age" else None,
            maximum=89.0 if name == "age" else None,
            levels=[LevelSchema(value=v, share=0.3) for v in TABLE[name].unique().to_pylist()]
            if name in ("ad", "plan")
            else [],
        )
        for name in NAMES
    ]
    return TableSchema(rows=TABLE.num_rows, columns=columns)


GRAPH = CausalGraph(
    order=NAMES,
    parent_lists={name: [] for name in NAMES}
    | {"ad": ["z"], "y": ["z", "ad", "dose"], "late": ["y"]},
)
TRAINED: Any = SimpleNamespace(table=TABLE, schema=_schema(), graph=GRAPH)
STATED: dict[str, Any] = {"before": ["z", "age"], "after": ["y", "late"]}
LEVERS: list[dict[str, Any]] = [
    {"column": "ad", "after": ["dose", "plan"]},
    {"column": "dose", "before": ["ad"], "after": ["plan"]},
    {"column": "plan", "before": ["ad", "dose"]},
]


def _ask(**question: Any) -> SheetResult:
    return answer_sheet(TRAINED, SheetRequest(outcome="y", **question), seed=0)


@pytest.fixture(scope="module")
def sheet() -> SheetResult:
    return _ask(**STATED, levers=LEVERS)


def test_stated_effects_are_ranked_and_joint_intervals_cover_the_truth(sheet: SheetResult) -> None:
    found = {f"{one.answer.treatment} {one.answer.value}": one for one in sheet.levers}
    dose = found[next(name for name in found if name.startswith("dose"))].answer
    truths = {"ad true": 1.0, "plan plus": 0.0, "plan pro": 0.0}
    truths[f"dose {dose.value}"] = 0.5 * (float(dose.value) - float(dose.baseline))
    assert set(truths) >= {name for name in found if not name.startswith("plan")}
    for name, one in found.items():
        assert one.answer.verdict.kind == "assumed"
        assert one.answer.union is not None
        assert one.alone is not None
        if name in truths:
            assert one.answer.union.low <= truths[name] <= one.answer.union.high
        assert one.answer.union.low < one.alone.low < one.alone.high < one.answer.union.high
        assert f"[{one.answer.union.low:.3g}," in one.answer.verdict.text or one.rank is None
    assert [one.rank for one in sheet.levers] == [1, 2, None, None]
    assert [one.answer.treatment for one in sheet.levers[:2]] == ["dose", "ad"]
    assert sheet.levers[0].near > sheet.levers[1].near > 0
    assert "contains 0" in str(sheet.levers[2].unranked)
    assert Z95 < sheet.critical < 2.6
    assert (sheet.summary.levers, sheet.summary.ranked, sheet.summary.assumed) == (4, 2, 4)


def test_curve_has_gaps_where_there_are_no_rows(sheet: SheetResult) -> None:
    curve = next(one.curve for one in sheet.levers if one.answer.treatment == "dose")
    assert curve is not None
    gaps = [point.at for point in curve.points if point.mean is None]
    known = [point for point in curve.points if point.mean is not None]
    assert gaps
    assert all(2.3 < at < 5.0 for at in gaps)
    for point in known:
        assert point.low is not None
        assert point.high is not None
        # E[y | do(dose)] = 3 + P(ad) + dose / 2
        assert point.low <= 3.5 + 0.5 * point.at <= point.high
    assert all(one.elasticity > 0 for one in curve.elasticities)
    assert not any(one.start < gap < one.end for one in curve.elasticities for gap in gaps)
    assert all(one.curve is None for one in sheet.levers if one.answer.treatment == "plan")


def test_progress_counts_the_effects_and_the_checks_of_each_lever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("simulacra_trainer.progress.INTERVAL_S", 0.0)
    seen: list[ProgressReport] = []
    request = SheetRequest(outcome="y", **STATED, levers=[{"column": "plan"}])
    answer_sheet(TRAINED, request, seed=0, sink=seen.append)
    assert list(dict.fromkeys((one.step, one.percent) for one in seen)) == [
        ("effect 1 of 2", 0),
        ("effect 2 of 2", 25),
        ("checks 1 of 2", 50),
        ("checks 2 of 2", 75),
        ("checks 2 of 2", 100),
    ]
    assert all(one.eta_seconds is not None for one in seen[1:])


def test_dropping_a_statement_never_raises_the_verdict_of_a_lever() -> None:
    """Whether the whole sheet made it or the lever, and though fewer columns are adjusted for."""
    small: Any = SimpleNamespace(table=TABLE.slice(0, 500), schema=TRAINED.schema, graph=GRAPH)
    own = {"before": ["dose"], "after": ["plan"]}

    def rank(lists: dict[str, Any], of_lever: dict[str, Any]) -> int:
        lever = {"column": "ad", **of_lever}
        request = SheetRequest(outcome="y", levers=[lever], **lists)
        (found,) = answer_sheet(small, request, seed=0).levers
        return VERDICT_KINDS.index(found.answer.verdict.kind)

    full = rank(STATED, own)
    assert VERDICT_KINDS[full] == "assumed"
    fewer = [
        rank(STATED | {"before": ["age"]}, own),
        rank(STATED | {"after": ["late"]}, own),
        rank(STATED, own | {"after": []}),
        rank(STATED | {"before": ["age"]}, own | {"after": []}),
    ]
    assert max(fewer) < full
    assert fewer[3] <= min(fewer[0], fewer[2])


def test_nothing_is_ranked_while_the_order_is_open() -> None:
    found = _ask(before=["z", "ad", "plan"], levers=[{"column": "dose"}])
    assert all(one.rank is None for one in found.levers)
    assert {one.answer.verdict.kind for one in found.levers} <= {"open", "suggested"}
    assert found.levers[0].answer.alternatives
    assert found.text.startswith("No lever is ranked")
    assert "no order of causes" in found.text
    asks = [one.answer.verdict.asks for one in found.levers]
    assert all(asks)
    assert found.levers[0].curve == Curve(missing=NOT_ASSUMED)
    page = render_sheet(found)
    assert "No lever is ranked" in page
    assert "not ranked" in page


def test_headline_says_that_only_the_order_among_levers_is_open() -> None:
    (lever,) = sheet_result("open").levers

    def asking(treatment: str, asks: str) -> LeverAnswer:
        verdict = lever.answer.verdict.model_copy(update={"asks": asks})
        answer = {"treatment": treatment, "verdict": verdict}
        return lever.model_copy(update={"answer": lever.answer.model_copy(update=answer)})

    among = headline([asking("price", "plan"), asking("plan", "price")])
    assert "what you said leaves open which of them came before which" in among
    assert "for none was it stated" in headline([asking("price", "region")])
    nothing = [asking("price", "plan"), asking("plan", "price")]
    for one in nothing:
        one.answer.verdict.rests_on.clear()
    assert "for none was it stated" in headline(nothing)


def test_all_levers_leave_out_background_and_what_came_after() -> None:
    request = SheetRequest(outcome="y", before=["z"], after=["y", "late", "dose"])
    asked, left_out = read_levers(TABLE, _schema(), GRAPH, request, "y")
    assert (asked[0].value, asked[0].baseline) == ("true", "false")
    assert {one.treatment for one in asked} == {"ad", "plan"}
    assert asked[1].before == ["z"]
    reasons = {one.column: one.reason for one in left_out}
    assert reasons == {"z": SAID_BEFORE, "age": BACKGROUND, "dose": SAID_AFTER, "late": SAID_AFTER}


def test_outcome_known_to_come_first_leaves_no_lever() -> None:
    graph = GRAPH.model_copy(update={"knowledge": Knowledge(tiers=[["y"], ["ad", "dose", "plan"]])})
    trained: Any = SimpleNamespace(table=TABLE, schema=_schema(), graph=graph)
    request = SheetRequest(outcome="y", before=["z", "age"], after=["late"])
    with pytest.raises(InputError, match="No column is left"):
        answer_sheet(trained, request, seed=0)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"levers": [{"column": "none"}]}, "/levers/0/column"),
        ({"levers": [{"column": "y"}]}, "/levers/0/column"),
        ({"levers": [{"column": "ad"}], "before": ["ad"]}, "/before/0"),
        ({"levers": [{"column": "ad", "before": ["z"], "after": ["z"]}]}, "/levers/0/after/0"),
        ({"before": ["y"]}, "/before/0"),
    ],
)
def test_wrong_levers_and_lists_are_named(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InputError) as caught:
        _ask(**change)
    assert caught.value.pointer == pointer


def test_critical_value_lies_between_one_interval_and_bonferroni() -> None:
    rng = np.random.default_rng(0)
    apart = list(rng.normal(size=(12, 3_000)))
    assert critical_value(apart[:1], 0) == Z95
    assert critical_value([apart[0], apart[0] * 3], 0) == pytest.approx(Z95, abs=0.03)
    assert critical_value(apart, 0) == pytest.approx(2.86, abs=0.05)


def test_few_persons_get_wider_joint_intervals() -> None:
    found = student_width(2.5, np.array([30.0, 1e9, 1.0]))
    assert found[0] == pytest.approx(2.666, abs=0.002)
    assert found[1] == pytest.approx(2.5)
    assert found[2] > 10


def test_influences_of_a_person_are_summed() -> None:
    values, rows = np.array([1.0, 2.0, 4.0]), np.array([0, 2, 3])
    assert on_table(values, rows, None, 5).tolist() == [1.0, 0.0, 2.0, 4.0, 0.0]
    persons = np.array([0, 0, 1, 1, 2])
    assert on_table(values, rows, persons, 5).tolist() == [1.0, 6.0, 0.0]


def test_page_and_workbook_hold_what_the_answers_rest_on(sheet: SheetResult) -> None:
    page = render_sheet(sheet)
    minidom.parseString(page.partition("\n")[2])
    assert "<script" not in page
    for one in sheet.levers:
        assert one.answer.verdict.text in page
    for text in ("too few people here", "Who stated what", sheet.model_sha256, "@media print"):
        assert text in page
    assert "http" not in page.replace("http://www.w3.org", "")
    book = openpyxl.load_workbook(io.BytesIO(write_workbook(sheet)))
    assert book.sheetnames[:2] == ["Ranking", "Adjustment sets"]
    rows = [*book["Ranking"].values]
    assert [row[0] for row in rows[1:]] == [1, 2, None, None]
    assert rows[1][3] == sheet.levers[0].answer.verdict.text


@pytest.mark.parametrize("kind", UNRANKED)
def test_only_assumed_levers_show_a_point(kind: Any) -> None:
    made = sheet_result(kind)
    rows = openpyxl.load_workbook(io.BytesIO(write_workbook(made)))["Ranking"].values
    heads, figures = rows
    cells = dict(zip(heads, figures, strict=True))
    page = render_sheet(made).partition("Data and method")[0]
    is_pointed, is_spanned = kind == "assumed", kind in SPANNED
    assert (cells["effect"] == -0.4) is is_pointed
    assert (cells["low, all together"] == -0.6) is is_spanned
    assert (cells["robustness"] is not None) is is_pointed
    assert ('<td class="figure">-0.4</td>' in page) is is_pointed
    assert ('<td class="figure">[-0.6, -0.2]</td>' in page) is is_spanned
    assert ("-0.4" in made.levers[0].answer.model_dump_json()) is is_pointed
    assert ("Precision: " in page.partition("lever-1")[2]) is (kind != "contradicted")


@pytest.mark.parametrize("kind", ["assumed", "open"])
def test_page_and_workbook_say_whom_a_lever_is_answered_for(kind: Any) -> None:
    made = sheet_result(kind, partly_answered(kind))
    heads, figures = openpyxl.load_workbook(io.BytesIO(write_workbook(made)))["Ranking"].values
    cells = dict(zip(heads, figures, strict=True))
    assert (cells["answered for"], cells["low, everybody"], cells["high, everybody"]) == (
        WHOM,
        -0.8,
        0.3,
    )
    page = html.unescape(render_sheet(made))
    assert PARTLY[kind] in page
    assert "Everybody, by an assumption: [-0.8, 0.3]." in page
    assert '<td data-label="Answered for">90 %</td>' in page


def test_order_of_unranked_levers_uses_no_hidden_point() -> None:
    (found,) = sheet_result("open").levers
    other = found.model_copy(deep=True)
    found.near = other.near = 0.0
    other.answer.estimate.effect = -9.0
    assert ranked([found, other])[1].answer.estimate.effect == -9.0


def test_two_values_make_no_curve() -> None:
    table = TABLE.set_column(3, "dose", pa.array((TABLE["dose"].to_numpy() > 3).astype(np.float64)))
    trained: Any = SimpleNamespace(table=table, schema=_schema(), graph=GRAPH)
    request = SheetRequest(outcome="y", **STATED, levers=[LEVERS[1]])
    (one,) = answer_sheet(trained, request, seed=0).levers
    assert (one.answer.value, one.answer.baseline) == (1.0, 0.0)
    assert one.curve == Curve(missing=FEW_VALUES)


def test_spike_and_values_of_few_people_are_no_points() -> None:
    gift = np.zeros(3_000)
    gift[:50] = np.random.default_rng(0).gamma(2.0, 10.0, 50)
    assert [point.at for point in near_points(gift)] == [0.0]
    values = np.repeat([1.0, 2.0, 3.0], [40, 40, 4])
    assert [point.at for point in near_points(values)] == [1.0, 2.0]
    of_few = np.append(np.arange(44), np.arange(44, 84) % 4)
    assert [point.at for point in near_points(values, of_few)] == [1.0, 2.0]
    assert [point.at for point in near_points(values[:80], of_few[:80])] == [1.0, 2.0]
    assert [point.at for point in near_points(values[:80], np.arange(80) // 15)] == []


def test_curve_has_gaps_where_few_persons_hold_all_rows() -> None:
    asked = EstimateRequest(treatment="dose", value=5.0, baseline=1.0, outcome="y")
    estimator = Estimator(TABLE, _schema(), asked, 0)
    persons = np.where(TABLE["dose"].to_numpy() > 4, np.arange(1_000) % 3, np.arange(1_000) % 19)
    estimator.contrast = replace(estimator.contrast, persons=persons, units=persons)
    verdict = SimpleNamespace(kind="assumed")
    answer: Any = SimpleNamespace(verdict=verdict, population="all", adjustment=["z"])
    points = lever_curve(estimator, answer, 0).points
    assert all(point.mean is None for point in points)
    assert {points[0].effective_rows, points[-1].effective_rows} == {19.0, None}


def test_classes_of_few_people_are_not_counted() -> None:
    value = np.arange(40) < 20
    contrast: Any = SimpleNamespace(
        value=SimpleNamespace(rows=value), baseline=SimpleNamespace(rows=~value), persons=None
    )
    scores: Any = SimpleNamespace(propensities=(np.where(np.arange(40) % 20 < 1, 0.95, 0.25), None))
    column = ColumnSchema(name="x", kind="numeric", storage="double")
    estimator: Any = SimpleNamespace(
        contrast=contrast,
        table=pa.table({"x": np.arange(40.0)}),
        schema=TableSchema(rows=40, columns=[column]),
    )
    for shown in (lambda found: found.value, lambda found: found.baseline):
        counts = np.array(shown(_counts(estimator, scores)))
        assert abs(counts[2] - 19) < 5  # the count has noise
        assert not np.delete(counts, 2).any()
    contrast.persons = np.zeros(40, np.int64)
    assert not any(_counts(estimator, scores).value)


def _levers_of(table: pa.Table, column: ColumnSchema) -> tuple[list[str], list[str]]:
    outcome = ColumnSchema(name="y", kind="numeric", storage="x")
    schema = TableSchema(rows=table.num_rows, columns=[column, outcome])
    asked, left_out = read_levers(table, schema, GRAPH, SheetRequest(outcome="y"), "y")
    return [f"{one.value}:{one.baseline}" for one in asked], [one.reason for one in left_out]


def test_every_level_with_enough_people_is_a_lever() -> None:
    column = ColumnSchema(name="plan", kind="categorical", storage="x")
    plans = _level(np.arange(270) % 3, "basic", "plus", "pro")
    assert _levers_of(pa.table({"plan": plans}), column) == (["plus:basic", "pro:basic"], [])
    assert _levers_of(pa.table({"plan": plans[:45]}), column) == ([], [THIN_LEVELS])


def test_two_values_are_judged_on_all_rows() -> None:
    dose = np.append(np.arange(70_000) % 2, np.full(30_000, 9.0))
    column = ColumnSchema(name="dose", kind="numeric", storage="x")
    assert _levers_of(pa.table({"dose": dose}), column) == (["9.0:0.0"], [])


def test_digest_is_of_values_only() -> None:
    def digest(table: pa.Table) -> str:
        return _digest(SimpleNamespace(table=table, schema=_schema(), graph=GRAPH))  # type: ignore[arg-type]

    def numbers(under: float) -> pa.Array:
        known = pa.py_buffer(bytes([0b101]))
        return pa.Array.from_buffers(
            pa.float64(), 3, [known, pa.py_buffer(np.array([1, under, 3.0]))]
        )

    plans = _level(np.array([0, 1, 1]), "basic", "plus")
    table = pa.table({"a": numbers(0.0), "plan": plans})
    plans = _level(np.array([2, 0, 0]), "plus", "pro", "basic")
    other = pa.table({"a": numbers(7.0), "plan": plans})
    assert digest(table) == digest(other)
    assert digest(table) == digest(pa.concat_tables([other[:1], other[1:]]))
    assert digest(table) != digest(pa.table({"a": [1.0, 3.0, None], "plan": plans}))
    assert digest(table) != digest(other.rename_columns(["a", "other"]))

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest

from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_schema.verdicts import verdicts
from simulacra_trainer.conditions import plan_rows
from simulacra_trainer.report import build_report, render_html
from simulacra_trainer.report.drawing import draw_graph

HOSTILE = "<script>alert('x')</script> & \"q\""


@pytest.fixture
def hostile_report() -> dict:
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            HOSTILE: pa.array(rng.choice([HOSTILE, "b"], 300)).dictionary_encode(),
            "v": rng.normal(size=300),
        }
    )
    schema = TableSchema(
        rows=300,
        columns=[
            ColumnSchema(name=HOSTILE, kind="categorical", storage="string"),
            ColumnSchema(name="v", kind="numeric", storage="double"),
        ],
    )
    request = ConditionSet(
        categorical={HOSTILE: {HOSTILE: 0.25, "gone": 0.1}},
        numeric={"v": NumericRange(min=-1, max=2.5)},
    )
    plan = plan_rows(table, request, 200, rng, behind=table.num_rows)
    edges = [
        {"source": HOSTILE, "target": "v", "strength": 0.5, "state": "undecided"},
        {"source": "v", "target": HOSTILE, "strength": 0.9, "state": "<b>"},
    ]
    return build_report(
        table,
        table.slice(0, 100),
        table.take(pa.array(plan.indices)),
        schema,
        graph_json={"edges": edges},
        conditions=plan.attainment,
        timings={"fit <fast>": 0.2},
        name=HOSTILE,
    )


def text_of(page: str) -> str:
    return " ".join(" ".join(ElementTree.fromstring(page.split("\n", 1)[1]).itertext()).split())


def test_names_are_escaped_and_the_page_is_well_formed(hostile_report):
    page = render_html(hostile_report)
    root = ElementTree.fromstring(page.split("\n", 1)[1])
    assert root.tag == "html"
    assert root.findtext("head/title") == f"{HOSTILE}: Quality report"
    assert not list(root.iter("script"))
    assert "<script" not in page
    assert HOSTILE in text_of(page)


def test_page_has_no_external_resources(hostile_report):
    page = render_html(hostile_report)
    assert not re.search(r"(https?:|//[a-z]|url\(|@import|\bsrc=|\bhref=(?!\"#))", page)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_page_shows_requested_and_attained_conditions(hostile_report):
    text = text_of(render_html(hostile_report))
    assert "Some conditions could not be met." in text
    assert "share of gone 10.000 0.000 no" in text
    assert "at least -1 and at most 2.5 100.000 100.000 yes" in text
    assert "direction open" in text
    assert "equal a training row" in text
    assert text.index("0.90") < text.index("0.50 direction")


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"min": -1}, "at least -1 100.000"),
        ({"max": 2.5}, "at most 2.5 100.000"),
        ({"min": 1, "max": 1}, "= 1 100.000"),
    ],
)
def test_range_condition_may_be_open(bounds: dict[str, float], said: str) -> None:
    table = pa.table({"v": np.arange(-2.0, 4.0)})
    plan = plan_rows(
        table, ConditionSet(numeric={"v": NumericRange(**bounds)}), 5, np.random.default_rng(0)
    )
    schema = TableSchema(rows=6, columns=[ColumnSchema(name="v", kind="numeric", storage="double")])
    drawn = table.take(pa.array(plan.indices))
    assert said in text_of(
        render_html(build_report(table, table, drawn, schema, conditions=plan.attainment))
    )


@pytest.mark.parametrize("passes", [True, False])
def test_page_says_what_attackers_gain(hostile_report: dict, passes: bool) -> None:
    gain = {"gain": 0.0123, "error": 0.0045, "tolerance": 0.04}
    names = ("nearness", "inference", "linkage")
    attacks = {**dict.fromkeys(names, gain), "passes": passes}
    private = {**hostile_report["privacy"], "dcr_share": 0.56, "attacks": attacks}
    page = " ".join(render_html({**hostile_report, "privacy": private}).split())
    assert page.count("0.012 (standard error 0.004, limit 0.04)") == 3
    assert ("A limit is exceeded" in page) is not passes
    assert "The share exceeds" not in page
    attacks = {**attacks, "strong": {"auc": 0.612, "allowed": 0.67}}
    private = {**private, "attacks": attacks}
    assert "0.612" in render_html({**hostile_report, "privacy": private})


@pytest.mark.parametrize(("share", "says"), [(0.52, "it is within"), (0.56, "it exceeds")])
def test_page_says_whether_strict_holds_and_what_was_not_tested(
    hostile_report: dict, share: float, says: str
) -> None:
    gain = {"gain": 0.01, "error": 0.01, "tolerance": 0.04}
    attacks = {**dict.fromkeys(("nearness", "inference", "linkage"), gain), "passes": True}
    attacks |= {"strong": None, "reason": "More than 80 columns."}
    private = {**hostile_report["privacy"], "dcr_share": share, "attacks": attacks}
    page = render_html({**hostile_report, "privacy": {**private, "level": "strict"}})
    assert says in page
    assert "More than 80 columns." in page
    assert "Strict." not in render_html({**hostile_report, "privacy": private})


def test_floor_is_marked_on_each_bar(hostile_report):
    root = ElementTree.fromstring(render_html(hostile_report).split("\n", 1)[1])
    bars = [svg for svg in root.iter("svg") if svg.get("class") is None]
    assert len(bars) == 2
    found = {c["column"]: c for c in hostile_report["fidelity"]["columns"]}
    top = max(max(c["error"], c["floor"]) for c in found.values())
    worst = max(found.values(), key=lambda c: c["error"] - c["floor"])
    assert float(bars[0].find("rect").get("width")) == pytest.approx(
        240 * worst["error"] / top, abs=0.06
    )
    assert float(bars[0].find("line").get("x1")) == pytest.approx(
        240 * worst["floor"] / top, abs=0.06
    )


def test_report_of_one_row_renders():
    schema = TableSchema(rows=1, columns=[ColumnSchema(name="v", kind="numeric", storage="double")])
    one = pa.table({"v": [1.0]})
    text = text_of(render_html(build_report(one, None, one, schema)))
    assert "too few rows or columns" in text
    assert "cannot be judged" in text
    assert "Conditions" not in text


def test_generation_report_shows_its_request(hostile_report: dict) -> None:
    asked = {
        "rows": 5_000,
        "seed": 7,
        "interventions": {HOSTILE: HOSTILE, "v": 5.49},
        "counterfactual": False,
        "compared": 200,
    }
    of_model = hostile_report["privacy"]
    for known in (of_model, None):
        privacy = {"exact_copies": 0.0125, "of_model": known}
        text = text_of(render_html({**hostile_report, "asked": asked, "privacy": privacy}))
        assert "5,000 rows of 2 columns, generated with seed 7" in text
        assert "200 of them, drawn at random, are compared with real rows" in text
        assert f"do(column = value) column value {HOSTILE} {HOSTILE} v 5.49" in text
        assert text.index("Interventions") < text.index("Conditions") < text.index("Fidelity")
        assert "At the fit 1.25 % of generated rows equaled a row that the model was fit on" in text
        assert ("The DCR share is" in text) == (known is not None)
        assert ("there is no base rate" in text) == (known is None)


def test_graph_is_drawn_with_causes_above_effects() -> None:
    edges = [
        {"source": "a", "target": "b", "strength": 1.0, "state": "directed", "basis": "stated"},
        {"source": "a", "target": "c", "strength": 1.0, "state": "directed"},
        {"source": "c", "target": "b", "strength": 0.5, "state": "undecided"},
        {"source": "b", "target": HOSTILE, "strength": 0.5, "state": "<b>"},
    ]
    root = ElementTree.fromstring(draw_graph(["a", "c", "b", "alone", HOSTILE], edges))
    shown = [text.text for text in root.iter("text")]
    assert shown == ["a", "c", "b", HOSTILE[:19] + "…"]
    height = dict(zip(shown, (float(box.get("y", "")) for box in root.iter("rect")), strict=True))
    assert height["a"] < height["c"] < height["b"] < height[HOSTILE[:19] + "…"]
    classes = [path.get("class") for path in root.iter("path")]
    assert classes == [
        *("edge stated", "head", "edge suggested", "head"),
        *("edge undirected", "edge weak"),
    ]
    left, _, width, _ = (float(number) for number in root.get("viewBox", "").split())
    for box in root.iter("rect"):
        assert left <= float(box.get("x", "")) <= left + width - float(box.get("width", ""))


def test_graph_without_edges_or_with_too_many_columns_is_not_drawn() -> None:
    many = [f"c{at}" for at in range(80)]
    chain = [
        {"source": a, "target": b, "strength": 1.0, "state": "directed"} for a, b in pairwise(many)
    ]
    assert draw_graph(many, []) == ""
    assert draw_graph(many, chain) == ""
    assert draw_graph(many[:20], chain[:19]).count("<rect") == 20


def test_verdicts_stand_before_all_figures(hostile_report: dict) -> None:
    told = verdicts({"c2st_auc": 0.98, "kept_ratio": 0.3})
    page = render_html({**hostile_report, "verdicts": [one.model_dump() for one in told]})
    text = " ".join(text_of(page).split())
    assert "Likeness: poor Generated rows are easy to tell from yours (AUC 0.98" in text
    assert text.index("Privacy: unknown") < text.index("Fidelity")

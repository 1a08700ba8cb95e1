import re
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.conditions import ConditionSet, NumericRange
from simulacra_crds.schema import ColumnSchema, TableSchema
from simulacra_trainer.conditions import plan_rows
from simulacra_trainer.report import build_report, render_html

HOSTILE = "<script>alert('x')</script> & \"q\""


@pytest.fixture
def hostile_report() -> dict:
    rng = np.random.default_rng(0)
    table = pa.table(
        {HOSTILE: pa.array(rng.choice([HOSTILE, "b"], 300)).dictionary_encode(), "v": rng.normal(size=300)}
    )
    schema = TableSchema(
        rows=300,
        columns=[
            ColumnSchema(name=HOSTILE, kind="categorical", storage="string"),
            ColumnSchema(name="v", kind="numeric", storage="double"),
        ],
    )
    request = ConditionSet(
        categorical={HOSTILE: {HOSTILE: 0.25, "gone": 0.1}}, numeric={"v": NumericRange(min=-1, max=2.5)}
    )
    plan = plan_rows(table, request, 200, rng, reference=table)
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
    )


def text_of(page: str) -> str:
    return " ".join(" ".join(ElementTree.fromstring(page.split("\n", 1)[1]).itertext()).split())


def test_names_are_escaped_and_the_page_is_well_formed(hostile_report):
    page = render_html(hostile_report)
    root = ElementTree.fromstring(page.split("\n", 1)[1])
    assert root.tag == "html"
    assert not list(root.iter("script"))
    assert "<script" not in page
    assert HOSTILE in text_of(page)


def test_the_page_needs_nothing_from_outside(hostile_report):
    page = render_html(hostile_report)
    assert not re.search(r"(https?:|//[a-z]|url\(|@import|\bsrc=|\bhref=)", page)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_what_was_asked_and_attained_is_said(hostile_report):
    text = text_of(render_html(hostile_report))
    assert "Some conditions could not be met." in text
    assert "share of gone 10.000 0.000 no" in text
    assert "at least -1 and at most 2.5 100.000 100.000 yes" in text
    assert "direction undecided by the data" in text
    assert "equal a training row" in text
    assert text.index("0.90") < text.index("0.50 direction")


def test_the_floor_is_marked_on_each_bar(hostile_report):
    root = ElementTree.fromstring(render_html(hostile_report).split("\n", 1)[1])
    bars = list(root.iter("svg"))
    assert len(bars) == 2
    found = {c["column"]: c for c in hostile_report["fidelity"]["columns"]}
    top = max(max(c["error"], c["floor"]) for c in found.values())
    worst = max(found.values(), key=lambda c: c["error"] - c["floor"])
    assert float(bars[0].find("rect").get("width")) == pytest.approx(240 * worst["error"] / top, abs=0.06)
    assert float(bars[0].find("line").get("x1")) == pytest.approx(240 * worst["floor"] / top, abs=0.06)


def test_an_empty_report_still_renders():
    schema = TableSchema(rows=1, columns=[ColumnSchema(name="v", kind="numeric", storage="double")])
    one = pa.table({"v": [1.0]})
    text = text_of(render_html(build_report(one, None, one, schema)))
    assert "too few rows or columns" in text
    assert "cannot be judged" in text
    assert "Conditions" not in text


def test_a_generation_says_what_was_asked_of_it(hostile_report: dict) -> None:
    asked = {"rows": 5_000, "seed": 7, "interventions": {HOSTILE: HOSTILE, "v": 5.49}, "compared": 200}
    of_model = hostile_report["privacy"]
    for known in (of_model, None):
        privacy = {"exact_copies": 0.0125, "of_model": known}
        text = text_of(render_html({**hostile_report, "asked": asked, "privacy": privacy}))
        assert "5,000 rows of 2 columns, generated with seed 7" in text
        assert "200 of them, drawn at random, are judged" in text
        assert f"do(column = value) column value {HOSTILE} {HOSTILE} v 5.49" in text
        assert text.index("Interventions") < text.index("Conditions") < text.index("Fidelity")
        assert "1.25 % of these rows equal a row that the model was fit on" in text
        assert ("The DCR share is" in text) == (known is not None)
        assert ("there is no base rate" in text) == (known is None)

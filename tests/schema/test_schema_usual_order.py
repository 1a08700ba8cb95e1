"""The usual order: what words and waves place, in every language, and what they leave alone."""

from __future__ import annotations

import pytest

from simulacra_schema.lexicon import LANGUAGES, words_of
from simulacra_schema.questions.effect import EffectQuestion
from simulacra_schema.questions.knowledge import (
    Edge,
    Knowledge,
    check_edges,
    check_knowledge,
    with_blocks,
)
from simulacra_schema.questions.sheet import SheetLever, SheetQuestion
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_schema.usual_order import CLASSES, usual_order


def _schema(*names: str, **labels: str) -> TableSchema:
    columns = [
        ColumnSchema(name=name, kind="numeric", storage="double", label=labels.get(name))
        for name in (*names, *labels)
    ]
    return TableSchema(rows=9, columns=columns)


def test_background_comes_first_and_outcomes_last() -> None:
    found = usual_order(_schema("churn", "price", "sex", "income", "x7", q1="Satisfaction overall"))
    assert found.blocks == [["sex"], ["income"], ["price"], ["churn", "q1"]]
    assert found.unplaced == ["x7"]
    assert len(found.reasons) == 5
    assert "Nothing rests on it until you say so" in found.question


def test_earlier_waves_come_before_later_ones_after_background() -> None:
    names = ("sat_w2", "price_w2", "satisfaction_w1", "price_w1", "sex", "income")
    found = usual_order(_schema(*names))
    assert found.blocks == [["sex"], ["price_w1"], ["satisfaction_w1"], ["sat_w2", "price_w2"]]
    assert found.unplaced == ["income"]
    assert usual_order(_schema("trust 2019", "trust 2020")).blocks == [
        ["trust 2019"],
        ["trust 2020"],
    ]
    assert usual_order(_schema("trust 2019", "price")).blocks == [["trust 2019", "price"]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_orders_a_column_of_each_class(language: str) -> None:
    firsts = [words_of(language)["order"][kind].split(",")[0].strip() for kind in CLASSES]
    assert usual_order(_schema(*firsts)).blocks == [[name] for name in firsts]


@pytest.mark.parametrize(
    ("name", "label"),
    [("alternative", ""), ("religion", ""), ("average", ""), ("statement", ""), ("x", "I agree")],
)
def test_words_within_other_words_place_nothing(name: str, label: str) -> None:
    assert usual_order(_schema(**{name: label})).blocks == []


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"blocks": [["a"], ["t", "b"], ["y"]]}, []),
        ({"blocks": [["a"], ["t", "a"], ["no"]]}, ["/blocks/1/1", "/blocks/2/0"]),
        ({"blocks": [["a"], ["t"], ["b"]], "before": ["a", "b"]}, ["/before/1"]),
        ({"blocks": [["a"], ["t"], ["b"]], "after": ["a"], "dont_know": ["b"]}, 2),
        ({"blocks": [["a"], ["b"]], "before": ["b"]}, []),
    ],
)
def test_blocks_of_a_question_are_checked(fields: dict[str, object], pointers: object) -> None:
    asked = EffectQuestion[float](treatment="t", value=1, baseline=0, outcome="y", **fields)
    found = [fault.pointer for fault in asked.faults(_schema("a", "b", "t", "y"))]
    assert found == pointers or len(found) == pointers


def test_lever_that_contradicts_the_blocks_is_refused_with_its_place() -> None:
    lever = SheetLever(column="t", before=["b"])
    asked = SheetQuestion[SheetLever](outcome="y", levers=[lever], blocks=[["t"], ["b"], ["y"]])
    found = [fault.pointer for fault in asked.faults(_schema("b", "t", "y"))]
    assert found == ["/levers/0/before/0"]


def test_blocks_against_required_edges_are_refused_and_replace_tiers() -> None:
    schema = _schema("a", "b", "c", "t")
    edges = [Edge(source="b", target="a"), Edge(source="a", target="c")]
    known = Knowledge(tiers=[["t"], ["a"]], confirmed=[["c"]], required=edges[:1])
    assert [f.pointer for f in check_edges(known, [["a"], ["b"]], schema)] == ["/blocks/0/0"]
    around = known.model_copy(update={"required": edges, "confirmed": []})
    assert [f.pointer for f in check_edges(around, [["c"], ["b"]], schema)] == ["/blocks"]
    assert [*check_edges(known, [["b"], ["a", "c"]], schema)] == []
    replaced = with_blocks(known, [["b"], ["a", "c"]], schema)
    assert (replaced.tiers, replaced.confirmed) == ([["b"], ["a", "c"]], [])
    assert not check_knowledge(replaced, schema)
    assert with_blocks(known, [], schema) is known

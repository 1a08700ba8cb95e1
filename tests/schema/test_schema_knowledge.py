"""Checks of causal knowledge: they name every contradiction, and agree with the fit."""

from __future__ import annotations

import pytest

from simulacra_intake.errors import InputError
from simulacra_schema.faults import Wrong, no_column
from simulacra_schema.questions.knowledge import (
    BOTH,
    CYCLE,
    NOT_LEARNED,
    SELF,
    TWICE,
    Edge,
    Knowledge,
    check_knowledge,
)
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.graph.constraints import read_knowledge

NAMES = "abcd"
SCHEMA = TableSchema(
    rows=9,
    columns=[
        *(
            ColumnSchema(name=name, kind="numeric", storage="double", minimum=0, maximum=1)
            for name in NAMES
        ),
        ColumnSchema(name="id", kind="identifier", storage="string", learned=False),
    ],
)
UNKNOWN = no_column("x", SCHEMA)


def known(tiers: str = "", required: str = "", forbidden: str = "") -> Knowledge:
    """Return knowledge with tiers like "ab c" (two tiers) and edges like "ab bc"."""

    def edges(text: str) -> list[Edge]:
        return [Edge(source=ends[0], target=ends[1]) for ends in text.split()]

    return Knowledge(
        tiers=[list(tier) for tier in tiers.split()],
        required=edges(required),
        forbidden=edges(forbidden),
    )


@pytest.mark.parametrize(
    ("knowledge", "at", "wrong"),
    [
        (known("ab x"), "/tiers/1/0", UNKNOWN),
        (known("ab ca"), "/tiers/1/1", TWICE),
        (known(forbidden="ab xa"), "/forbidden/1/source", UNKNOWN),
        (known(forbidden="aa"), "/forbidden/0", SELF),
        (known(required="ab", forbidden="ab"), "/required/0", BOTH),
        (known("ab c", "ca"), "/required/0", CYCLE),
        (known("a b c", "da cd"), "/required/1", CYCLE),
        (known(required="ab bc ca"), "/required/2", CYCLE),
        (Knowledge(required=[Edge(source="a", target="id")]), "/required/0", NOT_LEARNED),
        (Knowledge(confirmed=[["a"], ["x"]]), "/confirmed/1/0", UNKNOWN),
        (Knowledge(tiers=[["a"]], confirmed=[["b", "a"]]), "/confirmed/0/1", TWICE),
        (
            Knowledge(confirmed=[["a"]], required=[Edge(source="b", target="a")]),
            "/required/0",
            CYCLE,
        ),
        (
            Knowledge(confirmed=[["a"], ["b"]], required=[Edge(source="b", target="a")]),
            "/required/0",
            CYCLE,
        ),
    ],
)
def test_contradiction_is_named_by_its_pointer(knowledge: Knowledge, at: str, wrong: Wrong) -> None:
    assert check_knowledge(knowledge, SCHEMA) == [wrong.at(*at.split("/")[1:])]
    with pytest.raises(InputError) as refused:
        read_knowledge(knowledge, SCHEMA, NAMES)
    assert (refused.value.pointer or "").startswith("/knowledge" + at.rsplit("/", 1)[0])


@pytest.mark.parametrize(
    "knowledge",
    [
        known(),
        known("ab cd", "ac bd ab", "cd"),
        known("a", "bc cd", "db"),
        known("b d", "ab cb").model_copy(update={"confirmed": [["a"], ["c"]]}),
    ],
)
def test_consistent_knowledge_is_accepted(knowledge: Knowledge) -> None:
    assert check_knowledge(knowledge, SCHEMA) == []
    read_knowledge(knowledge, SCHEMA, NAMES)


def test_tiers_of_columns_that_are_not_learned_are_ignored() -> None:
    knowledge = Knowledge(tiers=[["id"], ["a"]], forbidden=[Edge(source="id", target="b")])
    assert check_knowledge(knowledge, SCHEMA) == []
    read_knowledge(knowledge, SCHEMA, NAMES)

"""Which arrows the data suggest: half-samples from random orders, persons, budget, real tables."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from simulacra_intake.description.layout import open_described
from simulacra_schema.background import propose_background
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.cleaning.described import clean_described
from simulacra_trainer.graph import CausalGraph, learn, learn_graph
from simulacra_trainer.graph.search import candidate_parents
from simulacra_trainer.graph.suggestions import (
    BATCH,
    HALVES,
    Suggestions,
    exclusive,
    no_knowledge,
    suggest,
)


def _meeting(rows: int, repeats: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return codes and numbers of levels of a -> c <- b, and the person of each row."""
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 2, (2, rows))
    c = (a + b + rng.integers(0, 2, rows) >= 2).astype(int)
    codes = np.repeat(np.stack([a, b, c]).astype(np.uint8), repeats, axis=1)
    return codes, np.full(3, 2), np.repeat(np.arange(rows), repeats)


def _suggested(
    codes: np.ndarray, cards: np.ndarray, persons: np.ndarray | None, budget_s: float = 10.0
) -> Suggestions:
    candidates = candidate_parents(codes, cards, no_knowledge(3), 2)
    arrows = [(0, 2), (1, 2), (2, 0)]
    return suggest(codes, cards, candidates, arrows, persons, np.random.default_rng(0), budget_s)


def test_arrows_that_half_samples_find_again_are_suggested() -> None:
    codes, cards, _ = _meeting(2_000)
    found = _suggested(codes, cards, None)
    assert found.arrows == {(0, 2), (1, 2)}
    assert (found.halves, found.complete) == (HALVES, True)


def test_dummies_of_one_answer_exclude_each_other() -> None:
    rng = np.random.default_rng(0)
    answer = rng.integers(0, 3, 600)
    dummies = [(answer == level).astype(np.uint8) for level in range(3)]
    assert exclusive(dummies[0], dummies[1])
    slipped = np.where(rng.random(600) < 0.003, 1, dummies[1]).astype(np.uint8)
    assert exclusive(dummies[0], slipped)
    assert not exclusive(dummies[0], rng.integers(0, 2, 600).astype(np.uint8))
    # Six rows in all: independence gives the pair too few to miss it.
    assert not exclusive(dummies[0][:6], dummies[1][:6])
    assert not exclusive(answer.astype(np.uint8), dummies[1])


def test_no_arrow_is_drawn_between_dummies_of_one_answer() -> None:
    """An insurance excludes another, which depends on age as well: the data direct both edges."""
    rng = np.random.default_rng(5)
    old, public = rng.random((2, 3_000)) < np.array([[0.5], [0.4]])
    private = ~public & (rng.random(3_000) < np.where(old, 0.8, 0.3))
    data = {"old": old, "public": public, "private": private}
    table = pa.table(
        {name: pa.array(np.where(yes, "y", "n")).dictionary_encode() for name, yes in data.items()}
    )
    columns = [ColumnSchema(name=name, kind="categorical", storage="string") for name in data]
    graph = learn_graph(table, TableSchema(rows=3_000, columns=columns), Knowledge(), seed=0)
    arrows = {(e["source"], e["target"]) for e in graph.edges if e["state"] == "directed"}
    assert arrows == {("old", "private")}


def test_search_of_halves_ends_once_no_arrow_can_pass() -> None:
    codes = np.random.default_rng(0).integers(0, 2, (3, 1_000)).astype(np.uint8)
    found = _suggested(codes, np.full(3, 2), None)
    assert (found.arrows, found.halves, found.complete) == (frozenset(), BATCH, True)


def test_a_person_is_in_one_half_with_all_rows() -> None:
    """Eight rows a person: halves of rows hold nearly everybody, halves of persons do not."""
    codes, cards, persons = _meeting(40, repeats=8)
    of_rows = _suggested(codes, cards, None)
    of_persons = _suggested(codes, cards, persons)
    assert of_persons.arrows < of_rows.arrows


def test_suggestions_above_the_budget_are_visibly_not_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes, cards, _ = _meeting(2_000)
    found = _suggested(codes, cards, None, budget_s=0.0)
    assert (found.arrows, found.complete) == (frozenset(), False)
    monkeypatch.setattr(learn, "HALVES_BUDGET_S", 0.0)
    names = ["a", "b", "c"]
    table = pa.table(dict(zip(names, codes.astype(np.float64), strict=True)))
    columns = [ColumnSchema(name=name, kind="numeric", storage="double") for name in names]
    schema = TableSchema(rows=table.num_rows, columns=columns)
    graph = learn_graph(table, schema, Knowledge(), seed=0)
    assert graph.suggestions == "not computed"
    assert {edge["basis"] for edge in graph.edges} == {"undirected"}


def test_graph_of_an_earlier_version_loads() -> None:
    edge = {"source": "a", "target": "b", "strength": 1.0, "state": "directed"}
    former = {"order": ["a", "b"], "parentLists": {"a": [], "b": ["a"]}, "edges": [edge]}
    graph = CausalGraph.from_json(json.dumps(former))
    assert (graph.suggestions, graph.halves) == (None, 0)


DATASETS = Path(str(find_spec("statsmodels").origin)).parent  # without its slow import
REAL = {
    "gss": Path("examples/gss_survey.csv"),
    "fair": DATASETS / "datasets/fair/fair.csv",
    "anes96": DATASETS / "datasets/anes96/anes96.csv",
    "lbw": DATASETS / "genmod/tests/results/stata_lbw_glm.csv",
    "framing": DATASETS / "stats/tests/results/framing.csv",
}
BACKGROUND = {
    "gss": ["year", "female", "black", "region_at_16", "both_parents_at_16"],
    "fair": ["age"],
    "anes96": ["'age'"],
    "lbw": ["age", "race"],
    "framing": ["age", "gender", "eth"],
}
"""Columns that nothing else in the table can cause, marked by hand."""


def test_real_tables_suggest_no_impossible_arrow() -> None:
    """The graph of all rows directed edges into background; half of them were shown as arrows."""
    drawn, suggested, found = [], [], []
    for name, path in REAL.items():
        clean = clean_described(open_described(path)).clean
        graph = learn_graph(clean.table, clean.schema, Knowledge(), seed=0)
        marked = BACKGROUND[name]
        proposed = {proposal.column for proposal in propose_background(clean.schema)}
        arrows = [edge for edge in graph.edges if edge["state"] == "directed"]
        drawn += [edge for edge in arrows if edge["target"] in proposed]
        suggested += [(edge["source"], edge["target"] in marked) for edge in arrows]
        found += [
            (parent, column)
            for column in marked
            for parent in graph.parents(column)
            if (parent, column) not in graph.undecided
        ]
        assert graph.suggestions == "computed"
    # Proposed background stands first in the order of the search.
    assert found == []
    assert drawn == []
    assert sum(impossible for _, impossible in suggested) <= 0.1 * len(suggested)

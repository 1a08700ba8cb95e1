"""Skip patterns: an edge that only says who was asked is not drawn, and the filter is named."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.contract.schema import ColumnSchema, TableSchema
from simulacra_crds.kinds.model import Knowledge
from simulacra_trainer.graph import CausalGraph, learn_graph
from simulacra_trainer.graph.discretize import discretize
from simulacra_trainer.graph.skips import skip_patterns, unfilled

ROWS = 2_000


def _survey(*, mark: str | None = None, depends: bool = False) -> tuple[pa.Table, TableSchema]:
    """Return a filter `owns`, its follow-ups `brand` and `stars`, and `mood`, which `town` moves.

    mark: the level of who is not asked; None: no answer. depends: whether stars follow the brand.
    """
    rng = np.random.default_rng(5)
    owns = rng.random(ROWS) < 0.5
    answered = owns & (rng.random(ROWS) < 0.95)
    brand = rng.integers(0, 3, ROWS)
    noise = rng.integers(0, 3, ROWS)
    stars = np.where(rng.random(ROWS) < 0.6, brand, noise) if depends else noise
    town = rng.random(ROWS) < 0.4
    mood = np.where(rng.random(ROWS) < 0.7, town, rng.random(ROWS) < 0.5)

    def follow(values: np.ndarray, prefix: str) -> pa.Array:
        asked = [f"{prefix}{v}" if a else mark for v, a in zip(values, answered, strict=True)]
        return pa.array(asked).dictionary_encode()

    words = {True: "yes", False: "no"}
    table = pa.table(
        {
            "owns": pa.array([words[bool(v)] for v in owns]).dictionary_encode(),
            "brand": follow(brand, "b"),
            "stars": follow(stars, "s"),
            "town": pa.array([words[bool(v)] for v in town]).dictionary_encode(),
            "mood": pa.array([words[bool(v)] for v in mood]).dictionary_encode(),
        }
    )
    columns = [
        ColumnSchema(name=n, kind="categorical", storage="string") for n in table.schema.names
    ]
    return table, TableSchema(rows=ROWS, columns=columns)


def _pairs(graph: CausalGraph) -> set[frozenset[str]]:
    return {frozenset((edge["source"], edge["target"])) for edge in graph.edges}


@pytest.mark.parametrize("mark", [None, "Inapplicable"])
def test_filter_question_draws_no_edge_and_is_named(mark: str | None) -> None:
    table, schema = _survey(mark=mark)
    graph = learn_graph(table, schema, Knowledge(), seed=0)
    assert _pairs(graph) == {frozenset(("town", "mood"))}
    assert {(s.filter, s.column) for s in graph.skips} <= {("owns", "brand"), ("owns", "stars")}
    assert graph.skips
    assert CausalGraph.from_json(graph.to_json()).skips == graph.skips


def test_follow_ups_that_depend_on_each_other_keep_their_edge() -> None:
    table, schema = _survey(depends=True)
    graph = learn_graph(table, schema, Knowledge(), seed=0)
    assert frozenset(("brand", "stars")) in _pairs(graph)
    assert not [edge for edge in graph.edges if "owns" in (edge["source"], edge["target"])]
    assert not [edge for edge in graph.edges if edge["basis"] == "suggested"]


def test_answers_that_are_missing_here_and_there_are_no_skip_pattern() -> None:
    table, schema = _survey()
    rng = np.random.default_rng(6)
    gone = rng.random(ROWS) < 0.2
    town = table["town"].to_pylist()
    holes = pa.array([None if g else v for g, v in zip(gone, town, strict=True)])
    table = table.set_column(3, "town", holes.dictionary_encode())
    codes, cards = discretize(table, schema)
    decides = skip_patterns(codes, cards, unfilled(table, schema))
    assert not decides[:, 3].any()
    assert decides[0, [1, 2]].all()

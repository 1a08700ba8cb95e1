"""Skip patterns: an edge that only says who was asked is not drawn, and the filter is named."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chi2_contingency

from simulacra_schema.questions.knowledge import Edge, Knowledge
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.graph import CausalGraph, learn_graph
from simulacra_trainer.graph.skips import chance, unanswered

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
def test_filter_question_draws_no_edge_and_the_pair_is_named(mark: str | None) -> None:
    table, schema = _survey(mark=mark)
    graph = learn_graph(table, schema, Knowledge(), seed=0)
    assert _pairs(graph) == {frozenset(("town", "mood"))}
    assert graph.skips
    for skip in graph.skips:
        assert {skip.source, skip.target} < {"owns", "brand", "stars"}
    assert CausalGraph.from_json(graph.to_json()).skips == graph.skips


@pytest.mark.parametrize("levels", ["disagree neutral agree", "red green blue"])
@pytest.mark.parametrize("mark", ["Refused", "k.A."])
def test_common_refusals_draw_no_edge(mark: str, levels: str) -> None:
    rng = np.random.default_rng(8)
    scale = np.array(levels.split(), dtype=object)
    refuses = rng.random(ROWS) < 0.2
    answers = {
        name: np.where(refuses, mark, scale[rng.integers(0, 3, ROWS)]) for name in ("tax", "war")
    }
    clean = clean_table(pa.table({name: pa.array(values) for name, values in answers.items()}))
    empty = unanswered(clean.table, clean.schema)
    assert (empty == refuses).all()
    graph = learn_graph(clean.table, clean.schema, Knowledge(), seed=0)
    assert graph.edges == []
    assert [{s.source, s.target} for s in graph.skips] == [{"tax", "war"}]


def test_abbreviation_that_may_be_a_state_is_an_answer() -> None:
    states = pa.table({"state": ["NC", "SC", "GA"] * 40, "age": list(range(120))})
    clean = clean_table(states)
    assert not unanswered(clean.table, clean.schema).any()


def test_follow_ups_that_depend_on_each_other_keep_their_edge() -> None:
    table, schema = _survey(depends=True)
    graph = learn_graph(table, schema, Knowledge(), seed=0)
    assert frozenset(("brand", "stars")) in _pairs(graph)
    assert not [edge for edge in graph.edges if "owns" in (edge["source"], edge["target"])]
    assert not [edge for edge in graph.edges if edge["basis"] == "suggested"]


def test_questions_of_different_ballots_draw_no_edge() -> None:
    rng = np.random.default_rng(6)
    ballot = rng.random(ROWS) < 0.5
    values = rng.normal(size=(2, ROWS))
    asked = [np.where(ballot, values[0], np.nan), np.where(ballot, np.nan, values[1])]
    first, second = (pa.array(values, from_pandas=True) for values in asked)
    table = pa.table({"first": first, "second": second, "age": rng.normal(size=ROWS)})
    schema = _numbers(table)
    graph = learn_graph(table, schema, Knowledge(), seed=0)
    assert graph.edges == []
    assert [{s.source, s.target} for s in graph.skips] == [{"first", "second"}]
    required = Knowledge(required=[Edge(source="first", target="second")])
    stated = learn_graph(table, schema, required, seed=0)
    assert [edge["basis"] for edge in stated.edges] == ["stated"]
    assert stated.skips == []


def test_edge_at_a_column_with_gaps_stays_if_the_answers_depend_on_each_other() -> None:
    rng = np.random.default_rng(7)
    age = rng.normal(size=ROWS)
    income = np.where(rng.random(ROWS) < 0.3, np.nan, age + rng.normal(size=ROWS))
    table = pa.table({"age": age, "income": pa.array(income, from_pandas=True)})
    graph = learn_graph(table, _numbers(table), Knowledge(), seed=0)
    assert _pairs(graph) == {frozenset(("age", "income"))}
    assert graph.skips == []


def _numbers(table: pa.Table) -> TableSchema:
    columns = [ColumnSchema(name=n, kind="numeric", storage="double") for n in table.column_names]
    return TableSchema(rows=table.num_rows, columns=columns)


@pytest.mark.parametrize("shape", [(2, 2), (2, 5), (4, 3)])
def test_chance_is_the_p_value_of_the_chi_square_test(shape: tuple[int, int]) -> None:
    counts = np.random.default_rng(1).integers(1, 30, shape).astype(float)
    assert chance(counts) == pytest.approx(chi2_contingency(counts).pvalue, rel=1e-9)

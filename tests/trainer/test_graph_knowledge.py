"""Knowledge binds, contradictions have a pointer, the graph keeps its promises."""

from __future__ import annotations

import json
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulacra_crds.reasons import Reason
from simulacra_intake.errors import InputError
from simulacra_schema.questions.knowledge import Edge, Knowledge
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.graph import CausalGraph, learn_graph

NAMES = [f"c{i}" for i in range(6)]


def _numbers(p: int, n: int, seed: int, density: float = 0.5) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = np.zeros((n, p))
    for j in range(p):
        weights = rng.choice([-0.8, 0.8], j) * (rng.random(j) < density)
        x[:, j] = x[:, :j] @ weights + rng.normal(size=n)
    return pa.table({f"c{j}": x[:, j] for j in range(p)})


def _schema(table: pa.Table, *, unlearned: tuple[str, ...] = ()) -> TableSchema:
    columns = [
        ColumnSchema(name=name, kind="numeric", storage="double") for name in table.column_names
    ]
    columns += [
        ColumnSchema(name=name, kind="identifier", storage="string", learned=False)
        for name in unlearned
    ]
    return TableSchema(rows=table.num_rows, columns=columns)


TABLE = _numbers(6, 400, 0)


def _learn(knowledge: Knowledge, seed: int = 0) -> CausalGraph:
    return learn_graph(TABLE, _schema(TABLE, unlearned=("id",)), knowledge, seed=seed)


@st.composite
def _knowledge(draw: st.DrawFn) -> Knowledge:
    """Knowledge that agrees with a random order of the columns."""
    order = draw(st.permutations(NAMES))
    cuts = sorted(draw(st.sets(st.integers(1, 5), max_size=3)))
    tiers = [order[a:b] for a, b in zip([0, *cuts], [*cuts, 6], strict=True)]
    kept = draw(st.sets(st.sampled_from(NAMES)))
    tiers = [inside for tier in tiers if (inside := [name for name in tier if name in kept])]
    pairs = st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda p: p[0] < p[1])
    required = {(order[a], order[b]) for a, b in draw(st.sets(pairs, max_size=2))}
    anyhow = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(
        lambda p: p[0] != p[1]
    )
    forbidden = draw(st.sets(anyhow, max_size=4)) - required
    return Knowledge(
        tiers=tiers,
        required=[Edge(source=a, target=b) for a, b in sorted(required)],
        forbidden=[Edge(source=a, target=b) for a, b in sorted(forbidden)],
    )


@settings(max_examples=25, deadline=None)
@given(_knowledge(), st.integers(0, 1000))
def test_graph_respects_the_knowledge(knowledge: Knowledge, seed: int) -> None:
    graph = _learn(knowledge, seed)
    assert sorted(graph.order) == NAMES
    place = {name: i for i, name in enumerate(graph.order)}
    tier = {name: i for i, names in enumerate(knowledge.tiers) for name in names}
    for a in tier:
        for b in tier:
            assert tier[a] >= tier[b] or place[a] < place[b]
    assert all(edge.source in graph.parents(edge.target) for edge in knowledge.required)
    assert all(edge.source not in graph.parents(edge.target) for edge in knowledge.forbidden)
    assert all(place[p] < place[name] for name in NAMES for p in graph.parents(name))
    for a, b in graph.undecided:
        assert a in graph.parents(b)
        assert tier.get(a) is None or tier.get(b) is None or tier[a] == tier[b]


@pytest.mark.parametrize(
    ("knowledge", "pointer"),
    [
        (Knowledge(tiers=[["c0"], ["c1", "nobody"]]), "/knowledge/tiers/1/1"),
        (Knowledge(tiers=[["c0"], ["c1", "c0"]]), "/knowledge/tiers/1/1"),
        (Knowledge(required=[Edge(source="nobody", target="c1")]), "/knowledge/required/0/source"),
        (Knowledge(required=[Edge(source="c1", target="id")]), "/knowledge/required/0"),
        (Knowledge(forbidden=[Edge(source="c1", target="c1")]), "/knowledge/forbidden/0"),
        (
            Knowledge(
                tiers=[["c0"], ["c1"]],
                required=[Edge(source="c2", target="c3"), Edge(source="c1", target="c0")],
            ),
            "/knowledge/required/1",
        ),
        (
            Knowledge(
                required=[
                    Edge(source="c0", target="c1"),
                    Edge(source="c1", target="c2"),
                    Edge(source="c2", target="c0"),
                ]
            ),
            "/knowledge/required/2",
        ),
        (
            Knowledge(
                tiers=[["c0"], ["c1"]],
                required=[Edge(source="c1", target="c2"), Edge(source="c2", target="c0")],
            ),
            "/knowledge/required/1",
        ),
        (
            Knowledge(
                required=[Edge(source="c0", target="c1")],
                forbidden=[Edge(source="c0", target="c1")],
            ),
            "/knowledge/required/0",
        ),
    ],
)
def test_contradictory_knowledge_is_rejected_with_a_pointer(
    knowledge: Knowledge, pointer: str
) -> None:
    with pytest.raises(InputError) as caught:
        _learn(knowledge)
    assert caught.value.pointer == pointer
    assert caught.value.reason == Reason.REQUEST_INVALID
    assert not any(name in caught.value.message for name in (*NAMES, "nobody"))


def test_unlearned_columns_in_tiers_are_ignored() -> None:
    knowledge = Knowledge(tiers=[["id", "c5"], ["c0"]], forbidden=[Edge(source="id", target="c0")])
    graph = _learn(knowledge)
    assert graph.order.index("c5") < graph.order.index("c0")


def test_same_seed_gives_the_same_graph() -> None:
    assert _learn(Knowledge(), 4) == _learn(Knowledge(), 4)


def test_relations_and_json_round_trip() -> None:
    graph = CausalGraph(
        order=["a", "b", "c", "d"],
        parent_lists={"a": [], "b": ["a"], "c": ["b"], "d": ["a", "c"]},
        undecided=[("a", "b")],
        edges=[{"source": "a", "target": "b", "strength": 1.0, "state": "undecided"}],
    )
    assert graph.ancestors("d") == ["a", "b", "c"]
    assert graph.descendants("b") == ["c", "d"]
    assert graph.descendants("d") == []
    assert CausalGraph.from_json(graph.to_json()) == graph
    assert json.loads(graph.to_json())["edges"][0]["state"] == "undecided"


@pytest.mark.parametrize(
    "change",
    [
        {"order": ["b", "a"]},
        {"order": ["a"]},
        {"order": ["a", "b", "b"]},
        {"parentLists": {"a": ["b"], "b": ["a"]}},
        {"parentLists": {"a": [], "b": ["a", "a"]}},
        {"undecided": [["b", "a"]]},
        {"edges": [{"source": "a", "target": "x", "strength": 1, "state": "weak"}]},
        {"edges": [{"source": "a", "target": "b", "strength": 2, "state": "weak"}]},
        {"edges": [{"source": "a", "target": "b", "strength": 1, "state": "sure"}]},
        {"version": 2},
        {"more": 1},
    ],
)
def test_inconsistent_graph_file_is_rejected(change: dict[str, object]) -> None:
    good = {"order": ["a", "b"], "parentLists": {"a": [], "b": ["a"]}}
    assert CausalGraph.from_json(json.dumps(good)).parents("b") == ["a"]
    with pytest.raises(ModelFileError):
        CausalGraph.from_json(json.dumps({**good, **change}))


def test_large_or_malformed_graph_file_is_rejected() -> None:
    with pytest.raises(ModelFileError, match="larger"):
        CausalGraph.from_json(" " * (16 * 2**20 + 1))
    with pytest.raises(ModelFileError):
        CausalGraph.from_json(b"\xff{")


@pytest.mark.parametrize("budget", [0.0, 1.0])
def test_wide_table_stays_within_the_budget(budget: float) -> None:
    table = _numbers(120, 3_000, 1, density=0.02)
    learn_graph(_numbers(3, 50, 1), _schema(_numbers(3, 50, 1)), Knowledge(), seed=0)  # compile
    began = time.thread_time()
    graph = learn_graph(table, _schema(table), Knowledge(), seed=0, budget_s=budget)
    assert time.thread_time() - began < budget + 1.5
    assert sorted(graph.order) == sorted(table.column_names)
    assert not graph.complete


def test_degenerate_tables_have_a_graph() -> None:
    table = pa.table(
        {
            "one": pa.array([1.0] * 30),
            "none": pa.nulls(30, pa.float64()),
            "x": pa.array(np.arange(30.0)),
        }
    )
    graph = learn_graph(table, _schema(table), Knowledge(), seed=0)
    assert sorted(graph.order) == ["none", "one", "x"]
    assert graph.edges == []
    empty = table.slice(0, 0)
    knowledge = Knowledge(required=[Edge(source="x", target="one")])
    assert learn_graph(empty, _schema(empty), knowledge, seed=0).parents("one") == ["x"]


def test_duplicated_columns_are_adjacent() -> None:
    x = np.random.default_rng(0).normal(size=500)
    table = pa.table({"a": x, "b": x, "c": np.random.default_rng(1).normal(size=500)})
    graph = learn_graph(table, _schema(table), Knowledge(), seed=0)
    assert {frozenset((edge["source"], edge["target"])) for edge in graph.edges} == {
        frozenset("ab")
    }
    assert graph.edges[0]["state"] == "undecided"


def test_no_arrow_is_drawn_into_proposed_background_unless_it_is_stated() -> None:
    """a and b are independent and meet in the third column, so the data direct both edges."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 2000))
    met = np.clip(45 + 10 * (a + b) + 3 * rng.normal(size=2000), 18, 89)
    for name, states in (("met", {"directed"}), ("age", {"undecided"})):
        table = pa.table({"a": a, "b": b, name: met})
        columns = _schema(table).columns[:2]
        columns.append(
            ColumnSchema(name=name, kind="numeric", storage="double", minimum=18, maximum=89)
        )
        schema = TableSchema(rows=2000, columns=columns)
        graph = learn_graph(table, schema, Knowledge(), seed=0)
        assert {edge["state"] for edge in graph.edges} == states
        basis = "suggested" if name == "met" else "undirected"
        assert {edge["basis"] for edge in graph.edges} == {basis}
    tiers = Knowledge(tiers=[["age"], ["a", "b"]])
    stated = learn_graph(table, schema, tiers, seed=0)
    at_age = [edge for edge in stated.edges if "age" in (edge["source"], edge["target"])]
    assert {(edge["source"], edge["basis"]) for edge in at_age} == {("age", "stated")}
    assert CausalGraph.from_json(stated.to_json()).knowledge == tiers


def test_confirmed_background_comes_before_all_other_columns_and_is_audited() -> None:
    """a and b meet in age, so without knowledge both arrows point into it."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 2000))
    table = pa.table({"a": a, "b": b, "age": a + b + 0.3 * rng.normal(size=2000)})
    graph = learn_graph(table, _schema(table), Knowledge(confirmed=[["age"]]), seed=0)
    at_age = [edge for edge in graph.edges if "age" in (edge["source"], edge["target"])]
    assert {(edge["source"], edge["basis"]) for edge in at_age} == {("age", "stated")}
    assert graph.audit is not None
    assert (graph.audit.arrows, graph.audit.wrong) == (2, 2)
    assert learn_graph(table, _schema(table), Knowledge(), seed=0).audit is None

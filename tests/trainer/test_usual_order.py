"""The usual order as a verdict: what it says, and that less knowledge never raises it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import EstimateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.answers import VERDICT_KINDS, AdjustmentEffect, EffectResult
from simulacra_schema.questions.knowledge import Edge, Knowledge
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.effects.checks import OWN_GRAPH
from simulacra_trainer.effects.column_timing import ColumnTiming, presumed, read_timing
from simulacra_trainer.effects.estimate import answer_effect
from simulacra_trainer.effects.findings import Findings
from simulacra_trainer.effects.verdict import Evidence, judge
from simulacra_trainer.graph import CausalGraph, learn_graph

NAMES = ("sex", "income", "price", "brand", "x1", "satisfaction", "churn")
T, Y = "price", "satisfaction"
SCHEMA = TableSchema(
    rows=9, columns=[ColumnSchema(name=n, kind="numeric", storage="double") for n in NAMES]
)
UNSURE = AdjustmentEffect(
    adjustment=[], effect=1.0, low=-1.0, high=3.0, support=1.0, effective_rows=90.0
)


def _read(knowledge: Knowledge | None = None, **lists: Any) -> ColumnTiming:
    request = EstimateRequest(treatment=T, value=1, baseline=0, outcome=Y, **lists)
    return read_timing(knowledge or Knowledge(), SCHEMA, request, Y)


def _usual(knowledge: Knowledge | None = None, **lists: Any) -> ColumnTiming | None:
    return presumed(_read(knowledge, **lists), SCHEMA, T, Y)


def _level(knowledge: Knowledge, lists: dict[str, Any]) -> int:
    """Return how much the verdict of unsure effects claims."""
    timing = _read(knowledge, **lists)
    kind = judge(Evidence(T, Y, timing, Findings(effects=[UNSURE]))).kind
    usual = presumed(timing, SCHEMA, T, Y)
    if kind == "open" and usual is not None:
        kind = judge(Evidence(T, Y, usual, Findings(effects=[UNSURE]))).kind
    return VERDICT_KINDS.index(kind)


def _statements(rng: random.Random) -> tuple[list[Edge], dict[str, Any]]:
    """Return random statements that keep to one order of the columns, not always the usual one."""
    order = list(NAMES)
    if rng.random() < 0.5:
        rng.shuffle(order)
    blocks: list[list[str]] = [[]]
    for name in order:
        if rng.random() < 0.4:
            blocks.append([])
        if rng.random() < 0.8:
            blocks[-1].append(name)
    at = order.index(T)
    lists: dict[str, Any] = {
        "blocks": [block for block in blocks if block] if rng.random() < 0.6 else [],
        "before": [name for name in order[:at] if name != Y and rng.random() < 0.2],
        "after": [name for name in order[at + 1 :] if rng.random() < 0.3],
        "dont_know": [],
    }
    edges = []
    for _ in range(rng.randrange(3)):
        a, b = sorted(rng.sample(range(len(order)), 2))
        edges.append(Edge(source=order[a], target=order[b]))
    return edges, lists


def _fewer(edges: list[Edge], lists: dict[str, Any]) -> list[tuple[list[Edge], dict[str, Any]]]:
    """Return the statements without one of them, or with one don't know more."""
    found = [([e for e in edges if e is not gone], lists) for gone in edges]
    for field in ("before", "after"):
        found += [
            (edges, lists | {field: [n for n in lists[field] if n != gone]})
            for gone in lists[field]
        ]
    blocks = lists["blocks"]
    for name in (name for block in blocks for name in block):
        left = [[n for n in block if n != name] for block in blocks]
        found.append((edges, lists | {"blocks": [block for block in left if block]}))
    for at in range(len(blocks) - 1):
        merged = [*blocks[:at], blocks[at] + blocks[at + 1], *blocks[at + 2 :]]
        found.append((edges, lists | {"blocks": merged}))
    placed = {n for block in blocks for n in block} | {*lists["before"], *lists["after"], T}
    unsaid = [name for name in NAMES if name not in placed]
    return [*found, *((edges, lists | {"dont_know": [name]}) for name in unsaid)]


def test_less_knowledge_never_raises_a_verdict() -> None:
    """An outcome that was said to come first is contradicted, whatever else is said: left out."""
    rng, steps, kinds = random.Random(1), 0, set()
    for _ in range(400):
        edges, lists = _statements(rng)
        level = _level(Knowledge(required=edges), lists)
        kinds.add(VERDICT_KINDS[level])
        if VERDICT_KINDS[level] == "contradicted":
            continue
        for fewer, left in _fewer(edges, lists):
            steps += 1
            assert _level(Knowledge(required=fewer), left) <= level, (edges, lists, fewer, left)
    assert kinds == {"assumed", "usual order", "open", "contradicted"}
    assert steps > 2_000


def test_usual_order_says_what_it_presumes_and_is_never_assumed() -> None:
    timing = _usual(after=["x1"])
    assert timing is not None
    verdict = judge(Evidence(T, Y, timing, Findings(effects=[UNSURE])))
    assert verdict.kind == "usual order"
    assert verdict.presumes == [["sex", "income"], [T, "brand"], ["x1", "churn", Y]]
    assert verdict.text == (
        "This presumes the usual order: sex, income before price; churn, satisfaction after price;"
        " brand, in one block with price, all before it or all after. You have not confirmed it. If"
        " it holds and nothing unseen moves both: between -1 and 3. Is that the order? State it as"
        " blocks, or correct it."
    )
    bounded = UNSURE.model_copy(update={"effective_rows": 0.0})
    assert judge(Evidence(T, Y, timing, Findings(effects=[UNSURE, bounded]))).kind == "open"
    confirmed = _read(blocks=[["sex", "income"], [T], ["brand"], ["x1", "churn", Y]])
    assert judge(Evidence(T, Y, confirmed, Findings(effects=[UNSURE]))).kind == "assumed"


def test_block_of_the_treatment_is_presumed_to_stand_together() -> None:
    timing = _usual(blocks=[["sex"], [T, "x1", "income"], ["brand", Y, "churn"]])
    assert timing is not None
    assert (timing.unknown, timing.before) == (["x1"], ["sex", "income"])
    named = _usual(blocks=[["sex", "income"], [T, "x1"], ["brand", Y, "churn"]])
    assert named is not None
    text = judge(Evidence(T, Y, named, Findings(effects=[UNSURE]))).text
    assert "To rely on it, state which of them came before price." in text


@pytest.mark.parametrize(
    "lists",
    [
        {},  # no word places x1
        {"dont_know": ["churn"], "after": ["x1"]},
        {"dont_know": [Y], "after": ["x1"]},
        {"blocks": [[Y], [T], ["sex", "income", "brand", "x1", "churn"]]},
    ],
)
def test_nothing_is_presumed_of_a_column_that_nobody_can_place(lists: dict[str, Any]) -> None:
    assert _usual(**lists) is None


def test_stated_edges_count_before_the_usual_order() -> None:
    known = Knowledge(required=[Edge(source="churn", target="sex")])
    timing = _usual(known, after=["x1"])
    assert timing is not None
    assert (timing.before, timing.after) == (["income"], ["x1", "sex", "churn"])


def test_blocks_that_contradict_a_required_edge_are_refused_with_a_pointer() -> None:
    known = Knowledge(required=[Edge(source="brand", target="sex")])
    with pytest.raises(InputError) as refused:
        _read(known, blocks=[["sex"], ["brand", T]])
    assert refused.value.pointer == "/blocks/0/0"


def _survey(rows: int = 900) -> tuple[pa.Table, TableSchema]:
    rng = np.random.default_rng(0)
    sex, income = rng.normal(size=rows), rng.normal(size=rows)
    price = (sex + income + rng.normal(size=rows) > 0).astype(float)
    satisfaction = income - 0.7 * price + rng.normal(size=rows)
    churn = rng.normal(size=rows) - satisfaction
    drawn = {"income": income, "price": price, "satisfaction": satisfaction, "churn": churn}
    table = pa.table({"sex": sex, **drawn})
    columns = [SCHEMA.find(name) for name in table.column_names]
    return table, TableSchema(rows=rows, columns=[c for c in columns if c is not None])


def _ask(table: pa.Table, schema: TableSchema, graph: CausalGraph, **lists: Any) -> EffectResult:
    request = EstimateRequest(treatment=T, value=1, baseline=0, outcome=Y, **lists)
    return answer_effect(table, schema, graph, request, seed=0)


def test_answer_of_a_usual_order_has_both_intervals_and_no_point() -> None:
    table, schema = _survey()
    graph = learn_graph(table, schema, Knowledge(), seed=0, budget_s=2.0)
    found = _ask(table, schema, graph)
    assert found.verdict.kind == "usual order"
    assert found.union is not None
    assert found.otherwise is not None
    assert found.union.low <= -0.7 <= found.union.high
    assert found.otherwise.low <= found.union.low
    assert found.union.high <= found.otherwise.high
    assert (found.estimate.effect, found.sensitivity) == (None, None)
    assert found.dont_know == ["sex", "income", "churn"]
    assert found.verdict.rests_on == []
    stated = _ask(table, schema, graph, blocks=found.verdict.presumes)
    assert (stated.verdict.kind, stated.otherwise) == ("assumed", None)
    assert "presumes" not in stated.verdict.model_dump()
    assert "otherwise" not in stated.model_dump()


def test_graph_that_lacks_an_edge_is_no_ground_of_a_usual_order() -> None:
    """Its order is as doubtful as its missing edge, so nothing is presumed and 0 stays in it."""
    table, schema = _survey()
    causes = {"sex": [], "income": [], T: ["sex", "income"], Y: [], "churn": [Y]}
    found = _ask(table, schema, CausalGraph(order=[*causes], parent_lists=causes, edges=[]))
    assert [one.outcome for one in found.checks if one.name == OWN_GRAPH] == ["failed"]
    assert (found.verdict.kind, found.otherwise) == ("open", None)
    assert found.union is not None
    assert found.union.low <= 0 <= found.union.high


def test_half_samples_question_a_stated_order_in_graph_and_answer() -> None:
    """The outcome's consequence is stated to come first."""
    rng = np.random.default_rng(0)
    sex, income, price, noise, other = rng.normal(size=(5, 2_000))
    price = (price > 0).astype(float)
    satisfaction = income + sex - 1.2 * price + 0.7 * noise
    drawn = {"price": price, "satisfaction": satisfaction, "churn": other - satisfaction}
    table = pa.table({"sex": sex, "income": income, **drawn})
    schema = _survey(20)[1].model_copy(update={"rows": 2_000})
    wrong = Knowledge(tiers=[["sex", "income", "churn"], [T], [Y]])
    graph = learn_graph(table, schema, wrong, seed=0, budget_s=2.0)
    assert [(one.source, one.target) for one in graph.questioned] == [("churn", Y)]
    assert "Check it" in graph.questioned[0].text
    found = _ask(table, schema, graph)
    assert found.verdict.kind == "assumed"
    assert [text for text in found.warnings if "churn coming before satisfaction" in text]
    right = Knowledge(tiers=[["sex", "income"], [T], [Y], ["churn"]])
    clean = learn_graph(table, schema, right, seed=0, budget_s=2.0)
    assert clean.questioned == []
    assert "questioned" not in clean.to_json()

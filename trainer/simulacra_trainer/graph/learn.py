"""Learning of the causal graph of a clean table within a CPU budget.

Best order search with qNML on discretized columns gives the graph, and bootstrap resamples give the
strength of each edge. Knowledge directs edges; the data only suggest a direction, where
half-samples find it again (`suggestions`). The form of a function never decides a direction,
because on real data that is no better than a coin flip.
"""

import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import sample_rows
from simulacra_schema.background import bind_background, propose_background
from simulacra_schema.questions.knowledge import Edge, Knowledge
from simulacra_schema.table import TableSchema
from simulacra_trainer.cpus import threads
from simulacra_trainer.design import units_in
from simulacra_trainer.graph.causal_graph import (
    Basis,
    CausalGraph,
    DirectionAudit,
    GraphEdge,
    QuestionedOrder,
    State,
)
from simulacra_trainer.graph.constraints import BoolMatrix, Constraints, read_knowledge
from simulacra_trainer.graph.discretize import discretize
from simulacra_trainer.graph.pattern import pattern_of
from simulacra_trainer.graph.search import Found, OrderSearch, candidate_parents
from simulacra_trainer.graph.skips import touching, unanswered, without_skips
from simulacra_trainer.graph.suggestions import (
    AGAINST,
    Arrow,
    Suggestions,
    audit,
    exclusive,
    no_knowledge,
    suggest,
)

SURE = 0.95
"""Strength from which an edge is certain."""
SHOWN = 0.5
"""Strength from which an edge is drawn."""
SEARCH_SHARE = 0.6
"""Share of the time budget for the search; the rest is for the bootstraps."""
HALVES_BUDGET_S = 2.0
"""CPU seconds for the half-samples, beside the budget."""


@dataclass(frozen=True)
class Effort:
    """Search effort by table width, so that usual tables finish well within the budget."""

    max_columns: int
    rows: int
    restarts: int
    bootstraps: int
    strongest: int
    """Maximum candidate parents; beyond 60 columns those with the best pairwise scores."""


EFFORTS = (
    Effort(max_columns=25, rows=10_000, restarts=40, bootstraps=20, strongest=24),
    Effort(max_columns=40, rows=10_000, restarts=10, bootstraps=20, strongest=39),
    Effort(max_columns=60, rows=5_000, restarts=4, bootstraps=10, strongest=59),
    Effort(max_columns=120, rows=5_000, restarts=2, bootstraps=10, strongest=24),
    Effort(max_columns=10**9, rows=3_000, restarts=1, bootstraps=5, strongest=12),
)


def _with_edges(knowledge: Knowledge, implied: Sequence[Edge]) -> Knowledge:
    """Return the knowledge with implied edges; their targets are no background before sources."""
    confirmed = knowledge.confirmed
    for edge in implied:
        place = {name: i for i, tier in enumerate(confirmed) for name in tier}
        if place.get(edge.target, len(place)) < place.get(edge.source, len(place)):
            confirmed = [[name for name in tier if name != edge.target] for tier in confirmed]
    update = {
        "required": [*knowledge.required, *implied],
        "confirmed": [tier for tier in confirmed if tier],
    }
    return knowledge.model_copy(update=update)


def learn_graph(
    table: pa.Table,
    schema: TableSchema,
    knowledge: Knowledge,
    *,
    seed: int,
    budget_s: float = 10.0,
    implied: Sequence[Edge] = (),
) -> CausalGraph:
    """Return the causal graph learned from a table.

    Args:
        table: clean table.
        schema: its schema; columns with learned=False are left out.
        knowledge: tiers, required and forbidden edges; always respected. Nor does an edge lead into
            proposed background that it does not place.
        implied: edges that relations of the table imply; required as well.
        seed: of row samples, restarts and resamples. The same seed gives the same graph unless the
            budget ends the search early (`CausalGraph.complete` is False).
        budget_s: CPU seconds, so that a busy machine does not change the result. Compiling the
            kernels does not count; the last move may exceed the budget.

    Raises:
        InputError: the knowledge names unknown columns or contradicts itself.
    """
    names = [column.name for column in schema.learned()]
    constraints = read_knowledge(_with_edges(knowledge, implied), schema, names)
    # Rows are drawn in the order of the search, in which proposed background stands first: do()
    # changes none of it. What is said of directions rests on what was stated alone.
    bound = bind_background(knowledge.model_copy(update={"background": "auto"}), schema)
    ordering = read_knowledge(_with_edges(bound, implied), schema, names)
    rng = np.random.default_rng(seed)
    effort = next(e for e in EFFORTS if len(names) <= e.max_columns)
    table = sample_rows(table, effort.rows, rng)
    codes, cards = discretize(table, schema)
    if len(names) < 2 or table.num_rows == 0:
        order = ordering.random_order(rng)
        dag = constraints.required
        empty = _graph(names, Found(order, dag, 0), dag, [], table.num_rows, True)
        return empty.model_copy(update={"knowledge": knowledge, "suggestions": "computed"})
    _compile()
    start = time.thread_time()
    candidates = candidate_parents(codes, cards, ordering, effort.strongest)
    search = OrderSearch(codes, cards, ordering, candidates)
    found = search.best(effort.restarts, rng, start + SEARCH_SHARE * budget_s)
    each_s = (budget_s - (time.thread_time() - start)) / max(effort.bootstraps, 1)

    def resampled(own: np.random.Generator) -> BoolMatrix | None:
        rows = np.sort(own.integers(codes.shape[1], size=codes.shape[1]))
        resample = OrderSearch(np.ascontiguousarray(codes[:, rows]), cards, ordering, candidates)
        confirmed = resample.improve(found.order, own, time.thread_time() + each_s)
        return None if confirmed is None else pattern_of(confirmed, constraints.directed)

    with ThreadPoolExecutor(threads()) as pool:
        results = list(pool.map(resampled, rng.spawn(effort.bootstraps)))
    patterns = [pattern for pattern in results if pattern is not None]
    complete = found.restarts == effort.restarts and len(patterns) == effort.bootstraps
    pattern = pattern_of(found.dag, constraints.directed)
    graph = _graph(names, found, pattern, patterns, table.num_rows, complete)
    gaps = unanswered(table, schema)
    drawn, skips = without_skips(graph.edges, names, codes, gaps, constraints.required)
    # Who was asked directs edges at these columns, too.
    directed = pattern & ~pattern.T & ~touching(skips, names)
    arrows = [
        (a, b)
        for a, b in _arrows(drawn, directed, schema, constraints)
        if not exclusive(codes[a], codes[b])
    ]
    suggestions, audited = Suggestions(frozenset(), 0, complete=True), None
    questioned: list[QuestionedOrder] = []
    if arrows or constraints.directed.any():
        units = units_in(table, schema)
        free = candidate_parents(codes, cards, no_knowledge(cards.size), effort.strongest)
        if arrows:
            suggestions = suggest(codes, cards, free, arrows, units, rng, HALVES_BUDGET_S)
        against: list[Arrow] = []
        if constraints.directed.any():
            checked, against = audit(codes, cards, free, constraints.directed, rng)
            audited = DirectionAudit(arrows=checked, wrong=len(against))
        doubted = _doubted(against, schema, implied)
        if doubted:
            votes = suggest(codes, cards, free, doubted, units, rng, HALVES_BUDGET_S, AGAINST)
            questioned = [_questioned(names[b], names[a]) for a, b in sorted(votes.arrows)]
    edges = with_basis(drawn, constraints, suggestions.arrows, names)
    of_tables = {(edge.source, edge.target) for edge in implied}
    for edge in edges:
        if (edge["source"], edge["target"]) in of_tables:
            edge["basis"] = "implied"
    computed = "computed" if suggestions.complete else "not computed"
    update = {"knowledge": knowledge, "edges": edges, "skips": skips, "suggestions": computed}
    update |= {"halves": suggestions.halves, "audit": audited, "questioned": questioned}
    return graph.model_copy(update=update)


def _doubted(against: Sequence[Arrow], schema: TableSchema, implied: Sequence[Edge]) -> list[Arrow]:
    """Return the arrows against a statement that half-samples may vote for.

    None leads into what looks like background, and none reverses what is computed.
    """
    names = [column.name for column in schema.learned()]
    proposed = {proposal.column for proposal in propose_background(schema)}
    computed = {(edge.target, edge.source) for edge in implied}
    return [
        (a, b)
        for a, b in against
        if names[b] not in proposed and (names[a], names[b]) not in computed
    ]


def _questioned(earlier: str, later: str) -> QuestionedOrder:
    text = (
        f"You said that {earlier} comes before {later}. Most half-samples of the data vote against"
        " that. Check it; until you change it, your order holds."
    )
    return QuestionedOrder(source=earlier, target=later, text=text)


def _arrows(
    edges: Sequence[GraphEdge], directed: BoolMatrix, schema: TableSchema, constraints: Constraints
) -> list[Arrow]:
    """Return the sure edges that the pattern directs and knowledge does not.

    An edge into proposed background is none of them: nothing in a survey causes it.
    """
    proposed = {proposal.column for proposal in propose_background(schema)}
    position = {column.name: i for i, column in enumerate(schema.learned())}
    found = []
    for edge in edges:
        a, b = position[edge["source"]], position[edge["target"]]
        is_open = edge["state"] != "weak" and not constraints.directed[a, b]
        if is_open and directed[a, b] and edge["target"] not in proposed:
            found.append((a, b))
    return found


def with_basis(
    edges: Sequence[GraphEdge],
    constraints: Constraints,
    suggested: Collection[Arrow],
    names: Sequence[str],
) -> list[GraphEdge]:
    """Return the edges with their state and the basis of their direction."""
    position = {name: i for i, name in enumerate(names)}
    based = []
    for edge in edges:
        a, b = position[edge["source"]], position[edge["target"]]
        state: State = edge["state"]
        basis: Basis = "weak" if state == "weak" else "undirected"
        if state != "weak" and constraints.directed[a, b]:
            state, basis = "directed", "stated"
        elif (a, b) in suggested:
            state, basis = "directed", "suggested"
        based.append(GraphEdge(**(edge | {"state": state, "basis": basis})))
    return based


def _compile() -> None:
    """Run the kernels on a tiny table, so that compiling them does not count as search time."""
    codes = np.array([[0, 1, 0, 1, 0, 1], [0, 1, 0, 1, 1, 1]], np.uint8)
    cards, free = np.array([2, 2]), no_knowledge(2)
    candidates = candidate_parents(codes, cards, free, 1)
    OrderSearch(codes, cards, free, candidates).best(1, np.random.default_rng(0), np.inf)


def _graph(
    names: list[str],
    found: Found,
    pattern: BoolMatrix,
    patterns: Sequence[BoolMatrix],
    rows: int,
    complete: bool,
) -> CausalGraph:
    order = [names[i] for i in found.order]
    place = np.argsort(found.order)
    dag = found.dag
    parents = {
        names[v]: [names[a] for a in sorted(np.flatnonzero(dag[:, v]), key=place.__getitem__)]
        for v in found.order
    }
    undecided = [(names[a], names[b]) for a, b in np.argwhere(dag & pattern & pattern.T)]
    edges = [
        edge
        for a, b in np.argwhere(dag)
        if (edge := _edge(names, int(a), int(b), patterns))["strength"] >= SHOWN
    ]
    edges.sort(key=lambda edge: -edge["strength"])
    return CausalGraph(
        order=order,
        parent_lists=parents,
        undecided=undecided,
        edges=edges,
        rows=rows,
        bootstraps=len(patterns),
        complete=complete,
    )


def _edge(names: list[str], a: int, b: int, patterns: Sequence[BoolMatrix]) -> GraphEdge:
    """Return edge a -> b of the best graph with its strength; weak without bootstraps."""
    if not patterns:
        return GraphEdge(source=names[a], target=names[b], strength=SHOWN, state="weak")
    strength = sum(bool(p[a, b] or p[b, a]) for p in patterns) / len(patterns)
    state: State = "undecided" if strength >= SURE else "weak"
    return GraphEdge(source=names[a], target=names[b], strength=strength, state=state)

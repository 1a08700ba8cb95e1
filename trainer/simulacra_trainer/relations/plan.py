"""What a fit does with the relations of a schema."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import FitRequest
from simulacra_intake.arrow_values import as_floats
from simulacra_intake.errors import invalid_request
from simulacra_intake.rows_of_persons import MIN_PERSONS, persons_a_group, persons_in
from simulacra_schema.questions.knowledge import Edge, Knowledge
from simulacra_schema.table import COMPUTED, RelationSchema, TableSchema
from simulacra_trainer.families.base import FittedModel
from simulacra_trainer.few_values import few_values
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.graph.causal_graph import GraphEdge
from simulacra_trainer.relations.compute import sentence, sources_of, violations
from simulacra_trainer.relations.decided import is_set_free
from simulacra_trainer.relations.differences import DifferenceModel
from simulacra_trainer.relations.model import Bound, Floats, RelatedModel
from simulacra_trainer.rules.check import broken
from simulacra_trainer.rules.model import RuledModel
from simulacra_trainer.rules.stated import of_sums

CHECKED_ROWS = 5_000


def usable_relations(schema: TableSchema, request: FitRequest) -> TableSchema:
    """Return the schema with the relations that this fit keeps.

    Under differential privacy there are none: that they hold is a fact about the real rows. A
    column that stated edges name is learned, so that these edges mean something.
    """
    if request.privacy is not None:
        stated = [one for one in schema.relations if of_sums(one, schema.rules)]
        _refuse_of_upload(schema)
        return schema.model_copy(update={"relations": stated})
    edges = [*request.knowledge.required, *request.knowledge.forbidden]
    named = {name for edge in edges for name in (edge.source, edge.target)}
    kept = [r for r in schema.relations if r.kind not in COMPUTED or r.column not in named]
    for place, bound in enumerate(kept):
        follows = bound.by_difference
        if follows is not None and (follows in named or _is_earlier(request.knowledge, bound)):
            kept[place] = bound.model_copy(update={"by_difference": None})
    return schema.model_copy(update={"relations": kept})


def _refuse_of_upload(schema: TableSchema) -> None:
    """Raise an InputError for combinations of the upload, which are a fact about its rows."""
    if found := next((one.rule for one in schema.rules if one.of_upload), None):
        message = "A rule takes its combinations from the upload. List them, or leave out epsilon."
        detail = f'The rule "{found.words()}" takes its combinations from the upload. List them.'
        raise invalid_request(message, detail, "/epsilon")


def _is_earlier(knowledge: Knowledge, bound: RelationSchema) -> bool:
    """Return whether tiers place a column before the one that it would follow from."""
    follows = bound.by_difference
    for tiers in (knowledge.tiers, knowledge.confirmed):
        place = {name: i for i, tier in enumerate(tiers) for name in tier}
        last = len(tiers)
        others = [place.get(n, last) for n in (bound.column, *bound.of) if n != follows]
        if follows in place and place[follows] < others[0]:
            return True
    return False


def implied_edges(schema: TableSchema) -> list[Edge]:
    """Return an edge to each column that follows from a difference, from the other column."""
    return [
        Edge(source=source, target=str(bound.by_difference))
        for bound in schema.differences()
        for source in (bound.column, *bound.of)
        if source != bound.by_difference
    ]


def knowledge_of_learned(knowledge: Knowledge, schema: TableSchema) -> Knowledge:
    """Return the knowledge without computed columns, whose causes are their operands."""
    computed = {relation.column for relation in schema.computed()}
    kept = {}
    for field in ("tiers", "confirmed"):
        tiers = [[n for n in tier if n not in computed] for tier in getattr(knowledge, field)]
        kept[field] = [tier for tier in tiers if tier]
    return knowledge.model_copy(update=kept)


def graph_with_computed(graph: CausalGraph, schema: TableSchema) -> CausalGraph:
    """Return the graph with each computed column as the effect of its operands."""
    order, parents = list(graph.order), dict(graph.parent_lists)
    edges = list(graph.edges)
    for relation in schema.computed():
        place = {name: i for i, name in enumerate(order)}
        parents[relation.column] = sorted(relation.of, key=place.__getitem__)
        order.append(relation.column)
        edges += [_implied(name, relation.column) for name in relation.of]
    return graph.model_copy(update={"order": order, "parent_lists": parents, "edges": edges})


def _implied(operand: str, column: str) -> GraphEdge:
    return GraphEdge(source=operand, target=column, strength=1.0, state="directed", basis="implied")


def with_relations(
    model: FittedModel, schema: TableSchema, table: pa.Table | None = None
) -> FittedModel:
    """Return the model with the relations and rules of the schema, if it has any.

    table: the clean training table, which tells how many rows lie on a bound, and the values of
        computed columns of few.
    """
    if schema.differences():
        model = DifferenceModel(model, schema)
    if schema.relations and table is None:
        model = RelatedModel(model, schema)
    elif schema.relations:
        model = RelatedModel(
            model, schema, shares_on_bound(table, schema), few_computed_values(table, schema)
        )
    return RuledModel(model, schema) if schema.rules else model


def few_computed_values(table: pa.Table, schema: TableSchema) -> dict[str, Floats]:
    """Return the values of each computed column that has few, rounded as computed ones are.

    Of a column with many that are not below 0, such as the rest of 100, there are none.
    """
    found = {}
    for name in sources_of(schema):
        column = schema.find(name)
        values = as_floats(table.column(name))
        few = few_values(values)
        if few is not None and column is not None:
            found[name] = few if column.decimals is None else np.round(few, column.decimals)
        elif not (values < 0).any():
            found[name] = np.empty(0)
    return found


def shares_on_bound(table: pa.Table, schema: TableSchema) -> dict[Bound, float]:
    """Return for each bound the share of rows in which both numbers are equal, if not 0.

    Rows of fewer than five persons do not count.
    """
    bounds = [rule for rule in schema.relations if rule.kind == "not_above"]
    persons = persons_in(table, schema) if bounds else None
    found = {}
    for rule in bounds:
        low, high = (as_floats(table.column(name)) for name in (rule.column, rule.of[0]))
        equal = low == high
        if persons_a_group(equal.astype(np.int64), persons, 2)[1] >= MIN_PERSONS:
            found[rule.column, rule.of[0]] = float(equal.mean())
    return found


def relations_report(model: FittedModel, schema: TableSchema, seed: int) -> list[dict[str, Any]]:
    """Return each relation as a sentence, and in how many of some generated rows it fails."""
    if not (schema.relations or schema.rules):
        return []
    rows = model.sample(CHECKED_ROWS, np.random.default_rng([seed, 29]))
    return counted(rows, schema)


def counted(rows: pa.Table, schema: TableSchema, do: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return each relation as a sentence, with the rows and how many of them it fails in.

    do: columns under an intervention; what it sets free is left out.
    """
    of_rules = [
        {
            "relation": one.rule.words(),
            "rows": rows.num_rows,
            "violations": int(broken(rows, one.rule).sum()),
            "stated": True,
            "upload": one.violations,
        }
        for one in schema.rules
        if one.rule.unique is None and set(one.rule.columns()) <= set(rows.column_names)
    ]
    known = {one["relation"] for one in of_rules}
    return of_rules + [
        {
            "relation": sentence(relation),
            "rows": rows.num_rows,
            "violations": violations(rows, relation, schema),
        }
        for relation in schema.relations
        if not is_set_free(relation, schema.relations, do) and sentence(relation) not in known
    ]

"""The causal order where no graph is learned: tiers as the user gave them, then table order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulacra_crds.model import Knowledge
from simulacra_crds.schema import TableSchema


@dataclass(frozen=True)
class PlainOrder:
    """A full order of the learned columns: each may cause those after it."""

    order: list[str]

    def descendants(self, column: str) -> set[str]:
        """Return what comes after the column."""
        return set(self.order[self.order.index(column) + 1 :])

    def to_json(self) -> dict[str, Any]:
        """Return the order with no edge learned."""
        return {"order": self.order, "edges": []}


def plain_order(schema: TableSchema, knowledge: Knowledge) -> PlainOrder:
    """Order the columns by tier (unnamed ones last), keep required edges forward, else table order."""
    names = [column.name for column in schema.learned()]
    tier = {name: i for i, names_of in enumerate(knowledge.tiers) for name in names_of}
    left = sorted(names, key=lambda name: tier.get(name, len(knowledge.tiers)))
    causes = {name: {e.source for e in knowledge.required if e.target == name} & set(names) for name in names}
    order: list[str] = []
    while left:
        ready = next((name for name in left if causes[name] <= set(order)), left[0])
        left.remove(ready)
        order.append(ready)
    return PlainOrder(order)

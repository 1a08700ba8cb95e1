"""The learned causal graph: edges to draw, generation order, adjustment sets."""

from __future__ import annotations

from collections.abc import Iterable
from operator import not_
from typing import (
    Annotated,
    Literal,
    NotRequired,  # pydantic requires it before Python 3.12
    Self,
)

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError, model_validator
from typing_extensions import TypedDict

from simulacra_schema.background import BackgroundProposal
from simulacra_schema.base import ColumnName, KubeModel
from simulacra_schema.questions.knowledge import Knowledge, KnowledgeRecord
from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.graph.pattern import parent_sets

MAX_COLUMNS = 2_000
MAX_JSON_CHARS = 16 * 2**20
State = Literal["directed", "undecided", "weak"]
Basis = Literal["stated", "implied", "suggested", "undirected", "weak"]
DECIDED: tuple[Basis, ...] = ("stated", "implied", "suggested")
Columns = Annotated[list[ColumnName], Field(max_length=MAX_COLUMNS)]
Pair = tuple[ColumnName, ColumnName]


class GraphEdge(TypedDict):
    """An edge to draw.

    Attributes:
        source, target: columns.
        strength: share of the bootstrap graphs that have the edge in either direction.
        state: directed: strength at least 0.95, and stated or suggested; undecided: as strong, but
            nothing says which way; weak: strength 0.5 to 0.95.
        basis: what the direction rests on. stated: knowledge leaves one way; implied: the target is
            computed from the source; suggested: 85 % of the half-samples direct it the same way
            (never into proposed background); undirected, weak: as the state. Absent in graphs made
            before verdicts.
    """

    source: ColumnName
    target: ColumnName
    strength: Annotated[float, Field(ge=0, le=1)]
    state: State
    basis: NotRequired[Basis]


class SkippedEdge(KubeModel):
    """An edge that is not drawn: the columns go together only in who was asked or answered."""

    source: ColumnName
    target: ColumnName


class QuestionedOrder(KubeModel):
    """A stated order that the half-samples vote against: they direct target -> source."""

    source: ColumnName
    target: ColumnName
    text: str


class DirectionAudit(KubeModel):
    """A search without knowledge: its arrows whose direction is stated, and those against it."""

    arrows: int = Field(ge=0)
    wrong: int = Field(ge=0)


class CausalGraph(KubeModel):
    """A causal graph of the learned columns.

    Attributes:
        order: all columns in a causally valid order.
        parent_lists: the best graph: parents of each column, each before it in the order.
        undecided: edges of the best graph, as (source, target), whose direction neither data nor
            knowledge decide.
        edges: edges to draw, those in at least half of the bootstrap graphs.
        rows: number of rows used (a sample of larger tables).
        bootstraps: number of resamples behind the strengths.
        suggestions: whether half-samples were searched for suggested directions; not computed:
            they would take too long for this table, so nothing is suggested; None in graphs made
            before half-samples, whose suggestions are no better than a coin flip.
        halves: number of half-samples searched; 0 where no direction was in question.
        complete: False if the time budget ended the search or the bootstraps early.
        knowledge: what was stated before the fit, with proposals that it bound (`confirmed`); empty
            in graphs made before verdicts.
        stated: who stated each part of it, and when.
        audit: how a search without the knowledge would have directed stated edges; None if no
            direction is stated.
        proposals: columns that look like background and that the knowledge does not place.
        skips: edges that are not drawn, because they say only who was asked or answered.
        questioned: stated orders that half-samples vote against; they hold nevertheless.
    """

    version: Literal[1] = 1
    order: Columns
    parent_lists: Annotated[dict[ColumnName, Columns], Field(max_length=MAX_COLUMNS)]
    undecided: Annotated[list[Pair], Field(max_length=100_000)] = Field(default_factory=list)
    edges: Annotated[list[GraphEdge], Field(max_length=100_000)] = Field(default_factory=list)
    rows: int = Field(default=0, ge=0)
    bootstraps: int = Field(default=0, ge=0)
    suggestions: Literal["computed", "not computed"] | None = None
    halves: int = Field(default=0, ge=0)
    complete: bool = True
    knowledge: Knowledge = Field(default_factory=Knowledge)
    stated: list[KnowledgeRecord] = Field(default_factory=list)
    audit: DirectionAudit | None = None
    proposals: list[BackgroundProposal] = Field(default_factory=list)
    skips: list[SkippedEdge] = Field(default_factory=list)
    questioned: list[QuestionedOrder] = Field(default_factory=list, exclude_if=not_)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        place = self._places()
        if len(place) != len(self.order) or set(place) != set(self.parent_lists):
            raise ValueError("order and parentLists name different columns")
        for name, parents in self.parent_lists.items():
            if len(set(parents)) != len(parents) or any(
                place.get(p, len(place)) >= place[name] for p in parents
            ):
                raise ValueError("a parent does not precede its child in order")
        if any(a not in self.parent_lists.get(b, ()) for a, b in self.undecided):
            raise ValueError("an undecided edge is not in parentLists")
        if any(edge["source"] not in place or edge["target"] not in place for edge in self.edges):
            raise ValueError("an edge names an unknown column")
        return self

    def parents(self, column: str) -> list[str]:
        """Return the direct causes of a column in the best graph, in causal order."""
        return list(self.parent_lists[column])

    def ancestors(self, column: str) -> list[str]:
        """Return all direct and indirect causes, in causal order."""
        of = self.parent_lists.items()
        return self._reached(column, ((name, parent) for name, own in of for parent in own))

    def descendants(self, column: str) -> list[str]:
        """Return all direct and indirect effects, in causal order."""
        of = self.parent_lists.items()
        return self._reached(column, ((parent, name) for name, own in of for parent in own))

    def is_apart(self, a: str, b: str) -> bool:
        """Return whether no graph of the class has a directed path between a and b."""
        pattern, place = self._pattern(), self._places()
        for start, end in ((place[a], place[b]), (place[b], place[a])):
            reached = np.zeros(len(place), np.bool_)
            reached[start] = True
            for _ in place:
                reached |= pattern[reached].any(axis=0)
            if reached[end]:
                return False
        return True

    def leads(self, a: str, b: str) -> bool:
        """Return whether arrows lead from a to b that are stated, computed or suggested."""
        decided = (
            (edge["source"], edge["target"])
            for edge in self.edges
            if edge.get("basis") in DECIDED and not self._is_former(edge)
        )
        return b in self._reached(a, decided)

    def votes(self) -> set[Pair]:
        """Return the arrows that half-samples direct: suggested, or against a statement."""
        suggested = {
            (edge["source"], edge["target"])
            for edge in self.edges
            if edge.get("basis") == "suggested" and not self._is_former(edge)
        }
        return suggested | {(one.target, one.source) for one in self.questioned}

    def possible_parents(self, column: str, limit: int = 32) -> list[list[str]]:
        """Return the column's parent sets in all graphs that explain the data equally well.

        limit: maximum number of sets; the set of the best graph comes first.
        """
        x = self.order.index(column)
        sets = [[self.order[i] for i in chosen] for chosen in parent_sets(self._pattern(), x)]
        best = self.parents(column)
        return [best, *(s for s in sets if set(s) != set(best))][:limit]

    def to_json(self) -> str:
        """Return the graph as JSON, camelCase."""
        return self.model_dump_json(by_alias=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> CausalGraph:
        """Read what `to_json` wrote.

        Raises:
            ModelFileError: the file is too large, malformed, cyclic or inconsistent.
        """
        if len(text) > MAX_JSON_CHARS:
            raise ModelFileError(f"the graph file is larger than {MAX_JSON_CHARS} characters")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            faults = error.error_count()
            raise ModelFileError(f"the graph file has {faults} validation errors") from None

    def _places(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.order)}

    def _is_former(self, edge: GraphEdge) -> bool:
        """Return whether the edge was suggested before half-samples decided that."""
        return edge.get("basis") == "suggested" and self.suggestions is None

    def _reached(self, column: str, arrows: Iterable[tuple[str, str]]) -> list[str]:
        """Return the columns that arrows lead to from a column, in causal order."""
        steps: dict[str, list[str]] = {name: [] for name in self.order}
        for start, end in arrows:
            steps[start].append(end)
        seen: set[str] = set()
        waiting = list(steps[column])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(steps[name])
        return [name for name in self.order if name in seen]

    def _pattern(self) -> npt.NDArray[np.bool_]:
        place = self._places()
        pattern = np.zeros((len(place), len(place)), np.bool_)
        for name, parents in self.parent_lists.items():
            for parent in parents:
                pattern[place[parent], place[name]] = True
        for a, b in self.undecided:
            pattern[place[b], place[a]] = True
        return pattern

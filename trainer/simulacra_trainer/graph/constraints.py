"""Causal knowledge as constraints of the search, and errors for contradictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulacra_intake.errors import InputError, invalid_request
from simulacra_schema.did_you_mean import closest
from simulacra_schema.questions.knowledge import Edge, Knowledge
from simulacra_schema.table import TableSchema

BoolMatrix = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Constraints:
    """Knowledge over p columns.

    Attributes:
        before: bool [p, p], transitively closed; [a, b]: a precedes b in every order.
        allowed: bool [p, p]; [a, b]: a may be a parent of b.
        required: bool [p, p]; [a, b]: a must be a parent of b.
    """

    before: BoolMatrix
    allowed: BoolMatrix
    required: BoolMatrix

    def places(self, others: npt.NDArray[np.int32], v: int) -> tuple[int, int]:
        """Return the first and last position of column v in the order `others`."""
        earlier = np.flatnonzero(self.before[others, v])
        later = np.flatnonzero(self.before[v, others])
        first = int(earlier[-1]) + 1 if earlier.size else 0
        return first, int(later[0]) if later.size else others.size

    def random_order(self, rng: np.random.Generator) -> npt.NDArray[np.int32]:
        """Return a random order, int32 [p], that `before` allows."""
        key = rng.random(len(self.before))
        waiting_for = self.before.sum(axis=0)
        order = np.empty(key.size, np.int32)
        for i in range(key.size):
            v = int(np.argmin(np.where(waiting_for == 0, key, np.inf)))
            order[i] = v
            key[v] = np.inf
            waiting_for = waiting_for - self.before[v]
        return order

    @property
    def directed(self) -> BoolMatrix:
        """Edges with only one allowed direction, bool [p, p]; [a, b] means a -> b."""
        return self.allowed & ~self.allowed.T


def read_knowledge(
    knowledge: Knowledge, schema: TableSchema, columns: Sequence[str]
) -> Constraints:
    """Return the constraints over the learned columns.

    Columns that are not learned (constants, identifiers, free text) are ignored in tiers and
    forbidden edges, where a column of several answers stands for all of its options.

    Raises:
        InputError: an unknown column, a column in two tiers, a required edge at a column that is
            not learned, or one that contradicts tiers, forbidden edges or other required edges; the
            pointer names the entry.
    """
    reader = _Reader(schema, columns)
    before = reader.tiers(knowledge.tiers, "tiers")
    before |= reader.tiers(knowledge.confirmed, "confirmed", others_last=True)
    allowed = reader.forbidden(knowledge)
    required = np.zeros_like(before)
    for i, edge in enumerate(knowledge.required):
        pointer = f"/knowledge/required/{i}"
        sources, targets = reader.ends(edge, pointer)
        if len(sources) != 1 or len(targets) != 1:
            why = "A required edge names a column that is not learned, or has several answers."
            raise _invalid(pointer, why, _text(edge))
        a, b = sources[0], targets[0]
        if before[b, a]:
            why = "A required edge contradicts the tiers or completes a cycle of required edges."
            raise _invalid(pointer, why, _text(edge))
        if not allowed[a, b]:
            raise _invalid(pointer, "An edge is both required and forbidden.", _text(edge))
        required[a, b] = before[a, b] = True
        at = np.arange(len(columns))
        before |= np.outer(before[:, a] | (at == a), before[b] | (at == b))
    return Constraints(before, allowed & ~before.T, required)


class _Reader:
    """Converts names into positions among the learned columns."""

    def __init__(self, schema: TableSchema, columns: Sequence[str]) -> None:
        self._known = schema.names()
        self._position = {name: i for i, name in enumerate(columns)}
        self._parts_of = schema.parts_of
        self._seen: set[str] = set()

    def positions(self, name: str, pointer: str) -> list[int]:
        """Return the positions of a column's options, or its own; none if it is not learned."""
        if name not in self._known:
            what = f"{name!r}{closest(name, self._known)}"
            raise _invalid(pointer, "The table has no column of this name.", what)
        return [self._position[part] for part in self._parts_of(name)]

    def ends(self, edge: Edge, pointer: str) -> tuple[list[int], list[int]]:
        """Return the positions of both ends of an edge."""
        if edge.source == edge.target:
            raise _invalid(pointer, "An edge connects a column with itself.", _text(edge))
        source = self.positions(edge.source, f"{pointer}/source")
        return source, self.positions(edge.target, f"{pointer}/target")

    def tiers(
        self, tiers: Sequence[Sequence[str]], field: str, *, others_last: bool = False
    ) -> BoolMatrix:
        """Return `before` from tiers alone, bool [p, p].

        Columns in none have no place, or the last. None may be in tiers that were read before.
        """
        tier = np.full(len(self._position), len(tiers) if others_last and tiers else -1)
        for i, names in enumerate(tiers):
            for j, name in enumerate(names):
                pointer = f"/knowledge/{field}/{i}/{j}"
                at = self.positions(name, pointer)
                all_names = {name, *self._parts_of(name)}
                if all_names & self._seen:
                    raise _invalid(pointer, "A column appears twice in the tiers.", repr(name))
                self._seen |= all_names
                tier[at] = i
        both = (tier[:, None] >= 0) & (tier[None, :] >= 0)
        return both & (tier[:, None] < tier[None, :])

    def forbidden(self, knowledge: Knowledge) -> BoolMatrix:
        """Return the edges that are not forbidden, bool [p, p]."""
        allowed = ~np.eye(len(self._position), dtype=np.bool_)
        for i, edge in enumerate(knowledge.forbidden):
            a, b = self.ends(edge, f"/knowledge/forbidden/{i}")
            allowed[np.ix_(a, b)] = False
        return allowed


def _text(edge: Edge) -> str:
    return f"{edge.source!r} -> {edge.target!r}"


def _invalid(pointer: str, message: str, what: str) -> InputError:
    detail = f"{message} Correct or remove {what}."
    return invalid_request(message, detail, pointer)

"""Edges whose direction data and knowledge decide: the CPDAG with background knowledge.

Start from v-structures and known directions, then apply Meek's four rules until nothing changes
(Meek, Causal inference and causal explanation with background knowledge, UAI 1995). A pattern is
bool [p, p]: a -> b if only [a, b] is set, undecided if [b, a] is set too.
"""

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components

from simulacra_trainer.graph.constraints import BoolMatrix

MAX_SIBLINGS = 8
"""Maximum number of undecided edges at a column whose directions are enumerated (2^8)."""


def pattern_of(dag: BoolMatrix, known: BoolMatrix) -> BoolMatrix:
    """Return the pattern of a DAG.

    dag, known: bool [p, p]; known[a, b]: an edge between a and b must be a -> b.
    """
    adjacent = dag | dag.T
    directed = dag & known
    for b in range(dag.shape[0]):
        parents = np.flatnonzero(dag[:, b])
        apart = ~adjacent[np.ix_(parents, parents)]
        np.fill_diagonal(apart, False)
        directed[parents[apart.any(axis=1)], b] = True
    pattern = adjacent & ~directed.T
    close(pattern)
    return pattern


def close(pattern: BoolMatrix) -> None:
    """Apply Meek's rules in place until nothing changes."""
    changed = True
    while changed:
        changed = False
        undecided = pattern & pattern.T
        for a, b in np.argwhere(undecided):
            if pattern[a, b] and pattern[b, a] and _must_point(pattern, int(a), int(b)):
                pattern[b, a] = False
                changed = True


def _must_point(pattern: BoolMatrix, a: int, b: int) -> bool:
    """Return whether the undecided edge between a and b must be a -> b."""
    into_b, apart_from_b = pattern[:, b] & ~pattern[b], ~(pattern[:, b] | pattern[b])
    # rule 1: c -> a, c and b not adjacent
    if np.any(pattern[:, a] & ~pattern[a] & apart_from_b):
        return True
    if np.any(pattern[a] & ~pattern[:, a] & into_b):  # rule 2: a -> c -> b
        return True
    undecided = pattern[a] & pattern[:, a]
    middle = np.flatnonzero(undecided & into_b)
    if middle.size > 1:  # rule 3: a - c -> b and a - d -> b, c and d not adjacent
        among = pattern[np.ix_(middle, middle)]
        if np.any(~(among | among.T) & ~np.eye(middle.size, dtype=np.bool_)):
            return True
    # rule 4: a - d, d -> c -> b, a and c adjacent, d and b not adjacent
    for c in np.flatnonzero(into_b & (pattern[a] | pattern[:, a])):
        if np.any(undecided & pattern[:, c] & ~pattern[c] & apart_from_b):
            return True
    return False


def parent_sets(pattern: BoolMatrix, x: int) -> Iterator[tuple[int, ...]]:
    """Yield the parent sets of column x in the graphs of the pattern (IDA; Maathuis et al., 2009).

    A set is valid if its orientation, closed under Meek's rules, adds no v-structure and no cycle.
    """
    sure = np.flatnonzero(pattern[:, x] & ~pattern[x])
    siblings = np.flatnonzero(pattern[:, x] & pattern[x])[:MAX_SIBLINGS]
    for size in range(siblings.size + 1):
        for chosen in itertools.combinations(siblings.tolist(), size):
            if _is_valid(pattern, x, siblings, chosen):
                yield tuple(sorted([*sure.tolist(), *chosen]))


def _is_valid(
    pattern: BoolMatrix, x: int, siblings: npt.NDArray[np.int64], chosen: tuple[int, ...]
) -> bool:
    tried = pattern.copy()
    for s in siblings:
        tried[(x, s) if s in chosen else (s, x)] = False
    close(tried)
    parts, _ = connected_components(tried & ~tried.T, connection="strong")
    has_cycle = parts < len(tried)
    return not has_cycle and _colliders(tried) == _colliders(pattern)


def _colliders(pattern: BoolMatrix) -> set[tuple[int, int, int]]:
    directed, adjacent = pattern & ~pattern.T, pattern | pattern.T
    found = set()
    for b in range(pattern.shape[0]):
        for a, c in itertools.combinations(np.flatnonzero(directed[:, b]).tolist(), 2):
            if not adjacent[a, c]:
                found.add((a, b, c))
    return found

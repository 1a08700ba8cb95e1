"""Patterns of small graphs with a known answer, and the parent sets they leave open."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulacra_trainer.graph.pattern import parent_sets, pattern_of

Matrix = npt.NDArray[np.bool_]


def _dag(p: int, *edges: tuple[int, int]) -> Matrix:
    dag = np.zeros((p, p), np.bool_)
    for a, b in edges:
        dag[a, b] = True
    return dag


def _none(p: int) -> Matrix:
    return np.zeros((p, p), np.bool_)


def _colliders(dag: Matrix) -> set[tuple[int, int, int]]:
    return {
        (a, b, c)
        for b in range(len(dag))
        for a, c in itertools.combinations(np.flatnonzero(dag[:, b]).tolist(), 2)
        if not (dag[a, c] or dag[c, a])
    }


def _class_of(dag: Matrix, known: Matrix) -> list[Matrix]:
    """Enumerate the Markov equivalent graphs that agree with what is known: skeleton and
    v-structures are kept.
    """
    edges = [tuple(e) for e in np.argwhere(dag)]
    members = []
    for flips in itertools.product([False, True], repeat=len(edges)):
        other = _dag(
            len(dag),
            *((b, a) if flip else (a, b) for (a, b), flip in zip(edges, flips, strict=True)),
        )
        cyclic = np.linalg.matrix_power(other.astype(int) + np.eye(len(dag), dtype=int), len(dag))
        if np.any((cyclic > 0) & (cyclic > 0).T & ~np.eye(len(dag), dtype=bool)):
            continue
        if not np.any(other.T & known) and _colliders(other) == _colliders(dag):
            members.append(other)
    return members


@pytest.mark.parametrize(
    ("dag", "directed"),
    [
        (_dag(3, (0, 1), (1, 2)), []),
        (_dag(3, (0, 2), (1, 2)), [(0, 2), (1, 2)]),
        (_dag(4, (0, 2), (1, 2), (2, 3)), [(0, 2), (1, 2), (2, 3)]),
        (_dag(3, (0, 1), (0, 2), (1, 2)), []),
    ],
)
def test_patterns_of_textbook_graphs(dag: Matrix, directed: list[tuple[int, int]]) -> None:
    pattern = pattern_of(dag, _none(len(dag)))
    assert sorted(map(tuple, np.argwhere(pattern & ~pattern.T).tolist())) == directed


@st.composite
def _dag_and_knowledge(draw: st.DrawFn) -> tuple[Matrix, Matrix]:
    p = 5
    pairs = list(itertools.combinations(range(p), 2))
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=8))
    known = draw(st.lists(st.sampled_from(edges), unique=True, max_size=2)) if edges else []
    return _dag(p, *edges), _dag(p, *known)


@settings(max_examples=80, deadline=None)
@given(_dag_and_knowledge())
def test_edge_is_directed_iff_all_equivalent_graphs_agree(
    case: tuple[Matrix, Matrix],
) -> None:
    dag, known = case
    members = _class_of(dag, known)
    assert np.array_equal(pattern_of(dag, known), np.any(members, axis=0))


@settings(max_examples=80, deadline=None)
@given(_dag_and_knowledge(), st.integers(0, 4))
def test_parent_sets_are_those_of_the_equivalent_graphs(
    case: tuple[Matrix, Matrix], x: int
) -> None:
    dag, known = case
    expected = {tuple(np.flatnonzero(member[:, x]).tolist()) for member in _class_of(dag, known)}
    assert set(parent_sets(pattern_of(dag, known), x)) == expected

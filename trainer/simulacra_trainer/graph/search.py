"""Best order score search (BOSS): the column order, within the knowledge, with the best qNML score.

One column at a time is moved to its best position until no move helps; then again from a random
order. Restarts share the grow-shrink trees, so forty cost two to five times as much as one.
"""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulacra_trainer.graph.constraints import BoolMatrix, Constraints
from simulacra_trainer.graph.kernels import (
    Codes,
    Columns,
    Trees,
    addition_scores,
    chosen_parents,
    insertion_scores,
    local_score,
    trace,
)

Cards = npt.NDArray[np.int64]
_GAIN = 1e-6


@dataclass(frozen=True)
class Found:
    """The best order found, its graph and the number of completed restarts; dag [a, b]: a -> b."""

    order: Columns
    dag: BoolMatrix
    restarts: int


class OrderSearch:
    """Orders of the columns of one sample of coded rows.

    Args:
        codes: uint8 [p, rows].
        cards: int64 [p], levels of each column.
        constraints: what the user's knowledge allows.
        candidates: int32 [p, k], the parents that each column may have (see `candidate_parents`).
    """

    def __init__(
        self, codes: Codes, cards: Cards, constraints: Constraints, candidates: Columns
    ) -> None:
        self._codes = codes
        self._cards = cards
        self._constraints = constraints
        self._candidates = candidates
        self._trees = _empty_trees(cards.size, 64 * cards.size)

    def best(self, restarts: int, rng: np.random.Generator, deadline: float) -> Found:
        """Return the best order of several random restarts.

        restarts: at least one is started; deadline: time.thread_time() after which no move is
        tried.
        """
        best, best_score, done = None, -np.inf, 0
        while done < restarts:
            order, finished = self._climb(self._constraints.random_order(rng), rng, deadline)
            score = float(sum(self._trees[6][node] for node in self._nodes(order)))
            if best is None or score > best_score + _GAIN:
                best, best_score = order, score
            if not finished:
                break
            done += 1
        assert best is not None
        return Found(best, self._dag(best), done)

    def improve(
        self, order: Columns, rng: np.random.Generator, deadline: float
    ) -> BoolMatrix | None:
        """Return the graph of the best order reached from this one, None if time is up."""
        order, finished = self._climb(order, rng, deadline)
        return self._dag(order) if finished else None

    def _climb(
        self, order: Columns, rng: np.random.Generator, deadline: float
    ) -> tuple[Columns, bool]:
        """Move columns to their best positions until nothing changes; False if time is up."""
        moved = True
        while moved:
            moved = False
            for v in rng.permutation(order).astype(np.int32):
                if time.thread_time() >= deadline:
                    return order, False
                at = int(np.flatnonzero(order == v)[0])
                others = np.delete(order, at)
                low, high = self._constraints.places(others, int(v))
                while not (
                    scores := insertion_scores(*self._arguments(), others, int(v), low, high)
                ).size:
                    self._trees = _enlarged(self._trees)
                best = int(np.argmax(scores))
                if scores[best] > scores[at - low] + _GAIN:
                    order = np.insert(others, low + best, v)
                    moved = True
        return order, True

    def _nodes(self, order: Columns) -> list[int]:
        is_before = np.zeros(order.size, np.bool_)
        nodes = []
        for v in order:
            while (node := trace(*self._arguments(), int(v), is_before)) < 0:
                self._trees = _enlarged(self._trees)
            nodes.append(node)
            is_before[v] = True
        return nodes

    def _dag(self, order: Columns) -> BoolMatrix:
        dag = np.zeros((order.size, order.size), np.bool_)
        for v, node in zip(order, self._nodes(order), strict=True):
            parents = chosen_parents(*self._arguments()[:-1], node)
            dag[parents, v] = True
        return dag

    def _arguments(self) -> tuple[Codes, Cards, Trees, BoolMatrix, Columns]:
        return self._codes, self._cards, self._trees, self._constraints.required, self._candidates


def _empty_trees(p: int, capacity: int) -> Trees:
    trees = (
        np.zeros(capacity, np.int32),
        np.full(capacity, -1, np.int32),
        np.full(capacity, -1, np.int32),
        np.zeros(capacity, np.int32),
        np.full(capacity, -1, np.int32),
        np.zeros(capacity),
        np.full(capacity, np.nan),
        np.array([p], np.int64),
    )
    trees[0][:p] = np.arange(p)
    return trees


def _enlarged(trees: Trees) -> Trees:
    bigger = _empty_trees(0, 2 * trees[0].size)
    for old, new in zip(trees[:-1], bigger[:-1], strict=True):
        new[: old.size] = old
    return *bigger[:-1], trees[-1]


def candidate_parents(
    codes: Codes, cards: Cards, constraints: Constraints, strongest: int
) -> Columns:
    """Return the candidate parents of each column, int32 [p, k], padded with -1.

    If more than `strongest` are allowed, those with the best pairwise scores are candidates. So in
    a wide table, a parent whose effect shows only together with another one is missed.
    """
    strongest = max(min(strongest, cards.size - 1), 1)
    p = cards.size
    chosen = np.full((p, strongest), -1, np.int32)
    for v in range(p):
        is_allowed = constraints.allowed[:, v] & (cards > 1) & (cards[v] > 1)
        allowed = np.flatnonzero(is_allowed).astype(np.int32)
        if allowed.size > strongest:
            none = np.empty(0, np.int32)
            base = local_score(codes, cards, v, none)
            gains = addition_scores(codes, cards, v, none, allowed) - base
            allowed = np.sort(allowed[np.argsort(-gains, kind="stable")[:strongest]])
        chosen[v, : allowed.size] = allowed
    return chosen

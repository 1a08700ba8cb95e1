"""Adjustment sets that the statements leave open.

Every column stated to come before the treatment is in all sets (the disjunctive cause criterion;
VanderWeele, 2019), none stated to come after it is in any. The open columns span sets: none, all,
the learned direct causes (IDA; Maathuis et al., 2009), each alone, and all but each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from simulacra_trainer.effects.column_timing import ColumnTiming
from simulacra_trainer.effects.screening import LinearEffects
from simulacra_trainer.graph import CausalGraph

MAX_SETS = 8


@dataclass(frozen=True)
class AdjustmentSet:
    """Columns to adjust for.

    Attributes:
        columns: stated ones first.
        reverses: the outcome may be a cause of the treatment; then the effect is 0.
        learned: exactly the learned causes of a graph of the class, beside what is stated.
    """

    columns: list[str]
    reverses: bool = False
    learned: bool = False


def open_sets(
    timing: ColumnTiming, graph: CausalGraph, treatment: str, outcome: str, linear: LinearEffects
) -> list[AdjustmentSet]:
    """Return at most MAX_SETS sets, the main one first, then at most one that reverses.

    The main set holds the causes of the treatment in the best graph. Beyond MAX_SETS those remain
    whose least-squares effects are the lowest and the highest. Nobody stated the order: then the
    effect may be 0, unless half-samples agree that the treatment leads to the outcome. Columns of
    the treatment's own block, in a usual order, are all in a set or none of them is.
    """
    if timing.presumes:
        both = (
            [timing.before + timing.unknown, timing.before] if timing.unknown else [timing.before]
        )
        return [AdjustmentSet(columns) for columns in both]
    causes = graph.possible_parents(treatment, MAX_SETS + 1)
    learned = [frozenset(_open(parents, linear)) for parents in causes]
    everything = frozenset(linear.open)
    first = list(dict.fromkeys([learned[0], frozenset(), everything]))
    alone = [frozenset([name]) for name in linear.open]
    but_one = [everything - {name} for name in linear.open]
    rest = [s for s in dict.fromkeys([*learned, *alone, *but_one]) if s not in first]
    rest.sort(key=linear.effect)
    chosen = [*first, *_extremes(rest, MAX_SETS - len(first))]
    sets = [
        AdjustmentSet([*timing.before, *(n for n in linear.open if n in s)], learned=s in learned)
        for s in chosen
    ]
    if timing.order == "unstated" and not graph.leads(treatment, outcome):
        reversing = [parents for parents in causes if outcome in parents]
        sets.append(AdjustmentSet((reversing or causes)[0], reverses=True))
    return sets


def _open(parents: Iterable[str], linear: LinearEffects) -> Iterator[str]:
    return (name for name in parents if name in linear.open)


def _extremes(ordered: list[frozenset[str]], count: int) -> list[frozenset[str]]:
    """Return the first and last entries, alternately."""
    chosen: list[frozenset[str]] = []
    left = list(ordered)
    while left and len(chosen) < count:
        chosen.append(left.pop(0 if len(chosen) % 2 == 0 else -1))
    return chosen

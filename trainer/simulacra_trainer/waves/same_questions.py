"""Which questions of the newest wave are those of an earlier one."""

from __future__ import annotations

from collections.abc import Sequence

from simulacra_schema.wave_summary import SummaryQuestion

RARE = 0.02
"""Share of the respondents below which a level may be missing in the other wave: reading a table
leaves out answers of few persons."""


def match_questions(
    earlier_questions: Sequence[SummaryQuestion], questions: Sequence[SummaryQuestion]
) -> dict[str, str]:
    """Return the earlier name of each question that was asked before, by its newest name.

    The same question has an equal name and, except for rare ones, equal levels, in whatever order.
    """
    earlier = {one.name: one for one in earlier_questions}
    return {
        one.name: one.name
        for one in questions
        if (of := earlier.get(one.name)) is not None
        and (one.edges is None) == (of.edges is None)
        and (one.edges is not None or _are_alike(one, of))
    }


def _are_alike(one: SummaryQuestion, other: SummaryQuestion) -> bool:
    alone = [*_without(one, other), *_without(other, one)]
    return len(set(one.levels) & set(other.levels)) > 1 and all(share < RARE for share in alone)


def _without(one: SummaryQuestion, other: SummaryQuestion) -> list[float]:
    """Return the shares of the levels that the other question lacks; 0 where persons are few."""
    pairs = zip(one.levels, one.hits, strict=True)
    return [
        (hits or 0.0) / max(one.respondents, 1.0)
        for level, hits in pairs
        if level not in other.levels
    ]

"""What rows are worth that agree with the certified shares of a segment.

The conditions of a generation say nothing of where they come from, and a worth that a client sent
could not be trusted. So the shares are certified again, some milliseconds each: conditions that ask
for one segment and just its certified shares have the worth of these.
"""

from __future__ import annotations

from simulacra_schema.conditions import ConditionSet
from simulacra_schema.questions.segments import MAX_SHARES, SegmentColumn, check_segment
from simulacra_trainer.segments.answers import SAME, answered_shares, conditions_of
from simulacra_trainer.segments.certify import segmentation_of
from simulacra_trainer.segments.estimate import certify_answers
from simulacra_trainer.trained_model import TrainedModel


def certified_worth(trained: TrainedModel, conditions: ConditionSet) -> float | None:
    """Return the respondents that rows under these conditions are worth.

    It is the least worth of the certified answers over the share who answered the question, because
    a question is worth the rows that have an answer to it.

    Args:
        trained: the model, with its clean table.
        conditions: with options of several answers as columns of their own.

    Returns:
        None if the conditions are not a segment and its certified shares.
    """
    named: dict[str, str] = {}
    asked: dict[str, dict[str, float]] = {}
    for name, shares in conditions.categorical.items():
        if [*shares.values()] == [1.0]:
            named[name] = next(iter(shares))
        else:
            asked[name] = dict(shares)
    answers = [(name, name, level) for name, shares in asked.items() for level in shares]
    if conditions.numeric or not 1 <= len(named) <= 3 or not 1 <= len(answers) <= MAX_SHARES:
        return None
    segment = [SegmentColumn(column=name, levels=[level]) for name, level in named.items()]
    if check_segment(segment, trained.schema):
        return None
    cells = segmentation_of(trained.table, trained.schema, segment)
    found = certify_answers(trained, cells, answers, len(answers))
    at = cells.at([*named.values()])
    said = {answer: float(of.share[at]) for answer, of in found.items()}
    certified = conditions_of(trained, cells, named, said, at).categorical
    if any(
        abs(share - certified[name][level]) > SAME
        for name, shares in asked.items()
        for level, share in shares.items()
    ):
        return None
    return min(
        min(float(found[name, name, level].worth[at]) for level in shares)
        / max(float(answered_shares(trained, cells, name)[at]), 1e-9)
        for name, shares in asked.items()
    )

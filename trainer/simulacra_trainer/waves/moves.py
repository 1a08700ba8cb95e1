"""Whether answers moved: tests of many contrasts at once, and intervals that hold together."""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtr, stdtrit

from simulacra_intake.survey_weights import Floats
from simulacra_schema.questions.segments import MoveVerdict
from simulacra_trainer.waves.shares import Estimate, Question

ALARM = 0.05
"""Share of tables in which anything is called moved although nothing did; and of the answers that
are called probably moved, the share in which nothing did."""
MOST_EARLIER = 4


def p_values(estimates: Sequence[Estimate]) -> Floats:
    """Return the two-sided p-value of each estimate, float64 [k], by Student's t."""
    value, _, freedom, null = np.array(estimates, np.float64).reshape(-1, 4).T
    return 2.0 * stdtr(freedom, -np.abs(value) / np.maximum(null, 1e-300))


def holm(p: Floats) -> Floats:
    """Return p-values adjusted for all of them, float64 [k] (Holm, 1979)."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * (p.size - np.arange(p.size)))
    found = np.empty_like(p)
    found[order] = np.minimum(steps, 1.0)
    return found


def verdicts(estimates: Sequence[Estimate]) -> list[MoveVerdict]:
    """Return whether each contrast is moved (Holm), probably moved (Benjamini-Hochberg) or not."""
    return words_of(p_values(estimates))


def words_of(p: Floats) -> list[MoveVerdict]:
    """Return the verdict of each p-value, float64 [k], as of `verdicts`."""
    from scipy.stats import false_discovery_control  # it takes most of a second to import

    sure, probable = holm(p) <= ALARM, false_discovery_control(p) <= ALARM
    return [
        "moved" if one else "probably moved" if other else "no sign"
        for one, other in zip(sure, probable, strict=True)
    ]


def reach(estimate: Estimate, together: int) -> float:
    """Return half the width of the 95 % interval that holds together with others (Bonferroni)."""
    return estimate.error * float(stdtrit(estimate.freedom, 1.0 - ALARM / 2.0 / together))


def earlier_waves(question: Question, level: int, waves: Sequence[int]) -> list[int]:
    """Return the waves before the newest that agree, the latest first, at most 4.

    Args:
        question: whose answer it is.
        level: the answer.
        waves: that can be compared, the latest first; each is taken while its share does not differ
            from the mean of those taken before, at 5 %.
    """
    taken = list(waves[:1])
    for wave in waves[1:MOST_EARLIER]:
        against = {one: -1.0 / len(taken) for one in taken}
        if p_values([question.contrast(level, {wave: 1.0, **against})])[0] <= ALARM:
            break
        taken.append(wave)
    return taken

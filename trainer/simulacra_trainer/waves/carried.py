"""Questions of the newest rows together with their answers in a summary of earlier waves.

Other persons answered each wave, so variances of waves add; those of earlier waves follow from
share, respondents and design effect. Sampling points that several waves visit count as others: a
summary does not name them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulacra_intake.rows_of_persons import Ints
from simulacra_intake.survey_weights import Floats
from simulacra_schema.wave_summary import SummaryQuestion, WaveSummary
from simulacra_trainer.waves.composition import Margin
from simulacra_trainer.waves.restated import restated
from simulacra_trainer.waves.shares import Bools, Estimate, Parts, Question, Sample, estimate
from simulacra_trainer.waves.summary import questions_of
from simulacra_trainer.waves.told_tables import shape_of


@dataclass(frozen=True)
class _Past:
    """A question's answers in one earlier wave, in the newest order; NaN where it has none."""

    share: Floats
    effect: Floats
    freedom: Floats
    worth: float


class CarriedQuestion(Question):
    """A question whose first waves are of a summary and whose last ones are of the table."""

    def __init__(self, own: Question, past: Sequence[_Past]) -> None:
        self.__dict__.update(own.__dict__)
        self.before = len(past)
        self._past = past
        shares = np.stack([one.share for one in past])
        self.shown: Bools = np.concatenate([~np.isnan(shares), own.shown])
        self.shares: Floats = np.concatenate([np.nan_to_num(shares), own.shares])
        worth = np.array([one.worth for one in past])
        self.worths = np.concatenate([worth, own.worth])
        self._all_shares = np.concatenate([np.nan_to_num(shares), own.exact])

    def contrast(self, level: int, by_wave: Mapping[int, float]) -> Estimate:
        """Return the sum of an answer's shares times these numbers, by wave."""
        waves = [*by_wave]
        worth, share = self.worths[waves], self._all_shares[waves, level]
        pooled = float(np.average(share, weights=worth)) if len(waves) > 1 else None
        own = {at - self.before: by for at, by in by_wave.items() if at >= self.before}
        parts = [self.parts(level, own, pooled)] if own else []
        for at, factor in by_wave.items():
            if at < self.before:
                parts.append(self._part(at, level, factor, pooled))
        return estimate(by_wave, self.shares[waves, level], worth, parts)

    def _part(self, at: int, level: int, factor: float, pooled: float | None) -> Parts:
        past = self._past[at]
        share = float(past.share[level])
        scale = factor**2 * float(past.effect[level]) / max(past.worth, 1.0)
        variance = scale * share * (1.0 - share)
        null = variance if pooled is None else scale * pooled * (1.0 - pooled)
        return Parts(variance, null, max(float(past.freedom[level]), 1.0))


def carried_questions(sample: Sample, summary: WaveSummary) -> list[Question]:
    """Return the questions of the newest rows, with their earlier answers; none in doubt.

    Waves are those of the summary, then those of the sample.
    """
    sample, waves, edges = restated(sample, summary)
    own = questions_of(sample, edges)
    shapes = {one.column.name: shape_of(one) for one in own}
    past: dict[str, list[_Past]] = {name: [] for name in shapes}
    for wave in waves:
        named = {one.name: one for one in wave.questions}
        for name, shape in shapes.items():
            past[name].append(_past_of(shape, named.get(name)))
    return [CarriedQuestion(one, past[one.column.name]) for one in own]


def has_margin(question: Question, wave: int) -> bool:
    """Return whether all levels of a background column are known of an earlier wave."""
    return isinstance(question, CarriedQuestion) and bool(question.shown[wave].all())


def margin_of(question: Question, wave: int) -> Margin:
    """Return a background column with its shares in an earlier wave."""
    assert isinstance(question, CarriedQuestion), "background columns are chosen by `has_margin`"
    return Margin(question.of_rows(), question.shares[wave], float(question.worths[wave]))


def _past_of(shape: SummaryQuestion, earlier: SummaryQuestion | None) -> _Past:
    """Return the answers of an earlier wave by the levels of a question."""
    none = np.full(len(shape.levels), np.nan)
    if earlier is None or earlier.edges != shape.edges:
        return _Past(none, none, none, 0.0)
    at = _order(shape.levels, earlier.levels)
    hits, effect, freedom = (
        np.array([*(np.nan if one is None else one for one in of), np.nan])[at]
        for of in (earlier.hits, earlier.effects, earlier.freedom)
    )
    share = np.clip(hits / max(earlier.respondents, 1.0), 0.0, 1.0)
    return _Past(share, effect, freedom, earlier.worth)


def _order(levels: Sequence[str], earlier: Sequence[str]) -> Ints:
    """Return the place of each level in an earlier wave, -1 where it had none."""
    place = {level: at for at, level in enumerate(earlier)}
    return np.array([place.get(level, -1) for level in levels], np.int64)

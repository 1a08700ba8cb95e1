"""The effect of a treatment by an instrument: partially linear, with the Anderson-Rubin interval.

What the adjustment columns leave of outcome, treatment and instrument is predicted out of fold
(double/debiased machine learning; Chernozhukov et al., 2018). The effect is what the instrument
moves the outcome by, over what it moves the treatment by: that on those whose treatment it moves
(Imbens & Angrist, Econometrica 62, 1994). The interval has all effects with which the instrument
does not go together with what is left of the outcome (Anderson & Rubin, 1949), so it holds however
weak the instrument is; with a very weak one it has no end (Andrews, Stock & Sun, Annual Review of
Economics 11, 2019). With one instrument the effective F of Montiel Olea & Pflueger (2013) is the
robust F of the first stage.
"""

from dataclasses import dataclass

import numpy as np

from simulacra_intake.arrow_values import as_floats
from simulacra_trainer.effects.aipw import FOLDS
from simulacra_trainer.effects.estimator import CROSS_FITS, Estimator
from simulacra_trainer.effects.models.base_choice import Bases
from simulacra_trainer.effects.models.contrast import Flags, outcome_values, read_outcome
from simulacra_trainer.effects.models.features import LEVEL_KINDS, Floats
from simulacra_trainer.effects.models.fold_models import cross_fits, expected_terms, folds_of_units
from simulacra_trainer.effects.overlap.support import MIN_EFFECTIVE
from simulacra_trainer.effects.scores import by_unit, kish, summed
from simulacra_trainer.effects.simultaneous import student_width
from simulacra_trainer.evidence import Z95, two_digits

WEAK = 10.0
"""F of the first stage below which the point says little (Staiger & Stock, 1997)."""
LEAST_LEFT = 1e-3
"""Share of the instrument's variance that the columns leave; else they tell it, up to rounding."""


@dataclass(frozen=True)
class Moved:
    """The effect by an instrument.

    Attributes:
        strength: robust F of the first stage, to two digits.
        effect: of the value instead of the baseline.
        span: ends of its Anderson-Rubin interval; None if that has no end.
        worth: persons or clusters that the instrument's spread is worth.
        known: rows with a known instrument, bool [n].
    """

    strength: float
    effect: float
    span: tuple[float, float] | None
    worth: float
    known: Flags


def moved_by(estimator: Estimator, columns: list[str]) -> Moved:
    """Return the effect by the instrument of a question, given columns.

    Raises:
        InputError: an instrument that is unknown, not learned, or neither a number nor a level.
    """
    contrast, request = estimator.contrast, estimator.request
    column, level = read_outcome(estimator.schema, request.instrument or "", "/instrument")
    instrument = outcome_values(estimator.table, column.name, level)
    known = np.flatnonzero(~np.isnan(instrument))
    nobody = Moved(0.0, 0.0, None, 0.0, ~np.isnan(instrument))
    if known.size < MIN_EFFECTIVE or np.ptp(instrument[known]) == 0.0:
        return nobody
    treatment, gap = contrast.value.rows.astype(np.float64), 1.0
    if estimator.schema.column(request.treatment).kind not in LEVEL_KINDS:
        treatment = as_floats(estimator.table.column(request.treatment))
        gap = float(request.value) - float(request.baseline)
    few = estimator.at(known, estimator.seed)
    units, shifts, survey = few.contrast.units, few.contrast.shifts, few.contrast.survey
    terms = np.array([few.contrast.outcome, treatment[known], instrument[known]])
    y, d, z = _left(few, columns, terms, survey)
    if np.var(z) <= LEAST_LEFT * np.var(terms[2]):
        return nobody
    square = max(float(survey @ z**2), 1e-300)
    slopes = np.array([survey @ (z * y), survey @ (z * d)]) / square
    moves = [
        summed(survey * z * (of - slope * z) / square, units, shifts)
        for of, slope in zip((y, d), slopes, strict=True)
    ]
    count = known.size if units is None else np.unique(units).size
    scale = 1.0 if shifts is not None else count / max(count - 1, 1)
    spread = scale * np.array([[float(a @ b) for b in moves] for a in moves])
    worth = kish(by_unit(survey * z**2, units))
    critical = float(student_width(Z95, np.array(worth), shifts))
    span = anderson_rubin(slopes, spread, critical)
    ends = None if span is None else (min(e := [gap * end for end in span]), max(e))
    strength = two_digits(float(slopes[1] ** 2 / max(spread[1, 1], 1e-300)))
    effect = gap * float(slopes[0] / slopes[1]) if slopes[1] else 0.0
    return Moved(strength, effect, ends, worth, ~np.isnan(instrument))


def anderson_rubin(slopes: Floats, spread: Floats, critical: float) -> tuple[float, float] | None:
    """Return the ends of the effects b with (y - b d)^2 <= critical^2 Var(y - b d).

    slopes: y and d, of outcome and treatment on the instrument; spread: their covariance, float64
    [2, 2]; critical: half-width in standard errors.

    Returns:
        None if the interval has no end: the instrument may not move the treatment at all.
    """
    (y, d), c = slopes, critical**2
    square = d**2 - c * spread[1, 1]
    if square <= 0.0:
        return None
    middle = (y * d - c * spread[0, 1]) / square
    rest = (y**2 - c * spread[0, 0]) / square
    half = float(np.sqrt(max(middle**2 - rest, 0.0)))
    return float(middle) - half, float(middle) + half


def _left(estimator: Estimator, columns: list[str], terms: Floats, survey: Floats) -> Floats:
    """Return what the columns leave of each term, float64 [k, n]: mean of the cross-fits."""
    contrast, features = estimator.contrast, estimator.features(columns)
    expected = np.zeros_like(terms)
    bases: Bases = {}
    for run in range(CROSS_FITS):
        rng = np.random.default_rng(estimator.seed + run)
        fold_of = folds_of_units(contrast, rng, FOLDS)
        for fold in cross_fits(contrast, features, fold_of, rng, bases):
            expected[:, fold.held] += expected_terms(fold, terms) / CROSS_FITS
    left = terms - expected
    left -= (left @ survey / max(float(survey.sum()), 1e-300))[:, None]
    return left

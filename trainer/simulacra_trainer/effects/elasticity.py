"""The elasticity of a positive outcome to a positive number, beside their effect.

It is the effect on the logarithm of the outcome over the logarithm of value / baseline, from the
estimator of the effect itself, so its interval has the same grounds. Where every person's
elasticity is constant, it is their mean, in which each counts alike; that of the total of the
outcome may differ. Of a yes/no outcome it is a semi-elasticity: percentage points of the share for
1 % more of the treatment.
"""

import math

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats, with_values
from simulacra_schema.answers import Elasticity
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.findings import Findings
from simulacra_trainer.effects.models.contrast import Flags
from simulacra_trainer.effects.models.exact_arms import SCALE_STEPS
from simulacra_trainer.effects.scores import Interval
from simulacra_trainer.evidence import coarse

TINY = 1e-300


def elasticity(estimator: Estimator, found: Findings) -> Elasticity | None:
    """Return the elasticity, or why there is none; None if the treatment is no number."""
    request, contrast = estimator.request, estimator.contrast
    if not estimator.schema.column(request.treatment).is_numeric or not found.effects:
        return None
    if why := _why_none(estimator, found):
        return Elasticity(text=f"No elasticity: {why}.")
    ratio = math.log(float(request.value) / float(request.baseline))
    outcome, at = contrast.outcome_column, f"1 % more {request.treatment}"
    effect = found.effects[0]
    if contrast.outcome_level is not None:
        points = (effect.effect, effect.low, effect.high)
        value, *ends = (float(f"{end / ratio:.3g}") for end in points)
        text = f"Semi-elasticity (percentage points of {outcome} for {at})"
        return Elasticity(value=value, low=min(ends), high=max(ends), text=text)
    people = None if found.people is None else found.people.rows
    of_logs = on_logarithm(estimator, effect.adjustment, people)
    points = (of_logs.effect, of_logs.low, of_logs.high)
    value, *ends = (coarse(end / ratio, abs(of_logs.error / ratio)) for end in points)
    text = f"Mean elasticity of people (percent of {outcome} for {at})"
    return Elasticity(value=value, low=min(ends), high=max(ends), text=text)


def on_logarithm(estimator: Estimator, columns: list[str], answered: Flags | None) -> Interval:
    """Return the effect on the logarithm of a positive outcome; arguments as `effect`.

    The few people below the schema's minimum, which is no person's, count as that.
    """
    name, table = estimator.contrast.outcome_column, estimator.table
    least = estimator.schema.column(name).minimum or TINY
    logs = np.log(np.maximum(as_floats(table.column(name)), least))
    table = with_values(table, name, pa.array(logs))
    again = Estimator(table, estimator.schema, estimator.request, estimator.seed)
    return again.effect(columns, answered)


def _why_none(estimator: Estimator, found: Findings) -> str | None:
    request, contrast = estimator.request, estimator.contrast
    least = estimator.schema.column(contrast.outcome_column).minimum
    if len(found.effects) > 1 or not found.runs:
        return "it needs the place of every column, and some are left open"
    if min(float(request.value), float(request.baseline)) <= 0.0:
        return "value and baseline must be positive"
    if _may_be_scale(estimator, request.treatment):
        return "the treatment may be a rating scale, of which a percent means nothing"
    if contrast.outcome_level is not None:
        return None
    if least is None or least <= 0.0:
        return "the outcome is not positive in all rows"
    if _may_be_scale(estimator, contrast.outcome_column):
        return "the outcome may be a rating scale, of which a percent means nothing"
    return None


def _may_be_scale(estimator: Estimator, name: str) -> bool:
    """Return whether the schema lists few whole numbers: no single person decides that."""
    column = estimator.schema.column(name)
    return column.kind == "integer" and 0 < len(column.levels) <= SCALE_STEPS

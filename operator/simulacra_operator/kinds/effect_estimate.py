"""EffectEstimate: once its Model is Ready, an `estimate` Job answers one causal question."""

from __future__ import annotations

from simulacra_crds.kinds.effect_estimate import EffectEstimateSpec
from simulacra_crds.tasks import EstimateRequest
from simulacra_operator.work.observe import Observed
from simulacra_operator.work.questions import question
from simulacra_schema.base import KubeModel


def _request(seen: Observed) -> KubeModel:
    spec: EffectEstimateSpec = seen.resource.spec
    return EstimateRequest(
        treatment=spec.treatment,
        value=spec.value.value,
        baseline=spec.baseline.value,
        outcome=spec.outcome,
        segment=spec.segment,
        before=spec.before,
        after=spec.after,
        dont_know=spec.dont_know,
        population=spec.population,
        negative_controls=spec.negative_controls,
        author=spec.stated_by,
        stated_at=seen.resource.meta.creation_timestamp,
    )


EFFECT_ESTIMATE = question(_request, "estimate")
"""Effect estimates."""

"""SegmentEstimate: once its Model is Ready, a `boost` Job certifies the shares of its segments."""

from __future__ import annotations

from simulacra_crds.kinds.segment_estimate import SegmentEstimateSpec
from simulacra_crds.tasks import BoostRequest
from simulacra_operator.work.observe import Observed
from simulacra_operator.work.questions import question
from simulacra_schema.base import KubeModel


def _request(seen: Observed) -> KubeModel:
    spec: SegmentEstimateSpec = seen.resource.spec
    return BoostRequest(segment=spec.segment, questions=spec.questions)


SEGMENT_ESTIMATE = question(_request, "segments")
"""Segment estimates."""

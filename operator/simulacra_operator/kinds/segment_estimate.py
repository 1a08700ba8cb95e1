"""SegmentEstimate: once its Model is Ready, a `boost` Job certifies the shares of its segments."""

from __future__ import annotations

from typing import Any

from simulacra_crds.kinds.segment_estimate import SegmentEstimateSpec
from simulacra_crds.tasks import BoostRequest
from simulacra_operator.work.observe import Observed
from simulacra_operator.work.questions import question
from simulacra_schema.base import KubeModel
from simulacra_schema.conditions import FieldError
from simulacra_schema.segment_shares import check_segments
from simulacra_schema.table import TableSchema


def _request(seen: Observed) -> KubeModel:
    spec: SegmentEstimateSpec = seen.resource.spec
    return BoostRequest(segment=spec.segment, questions=spec.questions)


def _misfits(spec: Any, schema: TableSchema) -> list[FieldError]:
    return check_segments(spec.segment, spec.questions, schema)


KIND = question(_request, _misfits, "segments")
"""Segment estimates."""

"""SegmentEstimate: once its Model is Ready, a `boost` Job certifies the shares of its segments."""

from __future__ import annotations

from simulacra_crds.tasks import BoostRequest
from simulacra_operator.work.questions import question
from simulacra_schema.segment_shares import check_segments

KIND = question(
    BoostRequest,
    lambda spec, schema: check_segments(spec.segment, spec.questions, schema),
    "segments",
)
"""Segment estimates."""

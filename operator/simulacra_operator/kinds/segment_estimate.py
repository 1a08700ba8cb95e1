"""SegmentEstimate: once its Model is Ready, a `boost` Job certifies the shares of its segments."""

from __future__ import annotations

from typing import Any

from simulacra_crds.tasks import BoostRequest
from simulacra_operator.work.questions import question
from simulacra_schema.conditions import FieldError
from simulacra_schema.segment_shares import check_segments
from simulacra_schema.table import TableSchema


def _misfits(spec: Any, schema: TableSchema) -> list[FieldError]:
    return check_segments(spec.segment, spec.questions, schema)


KIND = question(BoostRequest, _misfits, "segments")
"""Segment estimates."""

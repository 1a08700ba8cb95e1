"""Segment estimates: certified shares of answers in segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulacra.core import Request, Steps, send
from simulacra.operations.resources import delete_at, get_all, get_one, key_header
from simulacra.segment import Segment


def boost(
    dataset_id: str,
    segment: Mapping[str, Sequence[str] | str],
    questions: Sequence[str],
    *,
    key: str | None = None,
) -> Steps[Segment]:
    """Start to certify the shares of all answers to the questions in segments.

    Args:
        dataset_id: from upload.
        segment: one or two columns, each with a level or a list of levels; an empty list stands
            for each level. With two columns, each pair of levels is a segment.
        questions: columns with levels.
        key: idempotency key, drawn if absent.

    Returns segment_id and job_id.
    """
    columns = [
        {"column": name, "levels": [levels] if isinstance(levels, str) else list(levels)}
        for name, levels in segment.items()
    ]
    path = f"/v1/datasets/{dataset_id}/segments"
    body = {"segment": columns, "questions": list(questions)}
    request = Request("POST", path, json=body, headers=key_header(key))
    return Segment((yield from send(request)).json())


def segments(**filters: str) -> Steps[list[Segment]]:
    """List the tenant's segment estimates, newest first. Filters: dataset_id, status."""
    return get_all("/v1/segments", filters, Segment)


def segment(segment_id: str) -> Steps[Segment]:
    """Return one segment estimate; once ready, with `shares` and, of one segment, `conditions`."""
    return get_one(f"/v1/segments/{segment_id}", Segment)


def delete_segment(segment_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete one segment estimate and wait until it is erased."""
    return delete_at(f"/v1/segments/{segment_id}", timeout)

"""What a resource takes of its tenant's quota of stored bytes, from what the resource says itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from simulacra_crds.kinds.base import ANNOTATION_UPLOAD_PLAN, Phase

ENDED = (Phase.READY, Phase.PARTIAL, Phase.FAILED)
"""Phases of work that has ended, well or not."""
UPLOAD_TIMEOUT = timedelta(hours=1)
"""An upload without a byte for this long is abandoned, and its stored pieces are erased."""


def stored_bytes(body: dict[str, Any]) -> int:
    """Return the plaintext bytes that are stored for a resource: its artifacts, and its upload until that is done with.

    An upload counts as a whole from its beginning, so that what was begun can be finished. It is erased before the work
    says that it ended, well or not.
    """
    source, status = body["spec"].get("source", {}), body.get("status", {})
    total = sum(int(artefact["bytes"]) for artefact in status.get("artefacts") or [])
    ended = (
        status.get("phase") in ENDED or "finishedAt" in status
    )  # which is there also of one that is being deleted
    if not ended and source.get("type", "Upload") == "Upload":
        total += source.get("bytes") or _planned(body)
    return total


def upload_plan(size: int, sha256: str | None = None) -> str:
    """Return the value of ANNOTATION_UPLOAD_PLAN for an upload of so many bytes."""
    return f"{size} {sha256 or '-'}"


def _planned(body: dict[str, Any]) -> int:
    size = (
        body.get("metadata", {})
        .get("annotations", {})
        .get(ANNOTATION_UPLOAD_PLAN, "")
        .partition(" ")[0]
    )
    return int(size) if size.isdecimal() else 0

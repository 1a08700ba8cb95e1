"""Stored bytes of a resource, which count towards its tenant's quota."""

from datetime import timedelta
from typing import Any

from simulacra_crds.kinds.base import ANNOTATION_UPLOAD_PLAN, Phase
from simulacra_crds.tasks import UPLOAD

ENDED = (Phase.READY, Phase.PARTIAL, Phase.FAILED)
"""Phases of work that has ended, in success or failure."""
UPLOAD_TIMEOUT = timedelta(hours=1)
"""An upload without a byte for this long is abandoned, and its stored pieces are erased."""


def stored_bytes(body: dict[str, Any]) -> int:
    """Return the plaintext bytes of a resource's artifacts, and of its upload until work ends.

    An upload counts in full from its beginning, so that a begun upload can always be completed. It
    is erased before the work ends, in success or failure; one that is kept is among the artifacts.
    """
    source = body["spec"].get("source", {})
    status = body.get("status", {})
    artifacts = status.get("artefacts") or []
    total = sum(int(artifact["bytes"]) for artifact in artifacts)
    kept = any(artifact.get("name") == UPLOAD for artifact in artifacts)
    # A resource that is being deleted has finishedAt and another phase.
    ended = status.get("phase") in ENDED or "finishedAt" in status
    if not ended and not kept and source.get("type", "Upload") == "Upload":
        total += source.get("bytes") or _planned(body)
    return total


def upload_plan(size: int, sha256: str | None = None) -> str:
    """Return the value of ANNOTATION_UPLOAD_PLAN for an upload of a size in bytes."""
    return f"{size} {sha256 or '-'}"


def _planned(body: dict[str, Any]) -> int:
    annotations = body.get("metadata", {}).get("annotations", {})
    size = annotations.get(ANNOTATION_UPLOAD_PLAN, "").partition(" ")[0]
    return int(size) if size.isdecimal() else 0

"""What a resource takes of its tenant's quota of stored bytes, from what the resource says itself."""

from __future__ import annotations

from typing import Any

from simulacra_crds.base import ANNOTATION_UPLOAD_PLAN, Phase

ENDED = (Phase.READY, Phase.PARTIAL, Phase.FAILED)
"""Phases of work that has ended, well or not."""


def stored_bytes(body: dict[str, Any]) -> int:
    """Return the plaintext bytes that are stored for a resource: its artefacts, and its upload until it is prepared.

    An upload in pieces counts as a whole from its beginning, so that what was begun can be finished. One that could not
    be prepared stays until its Dataset goes.
    """
    source, status = body["spec"].get("source", {}), body.get("status", {})
    total = sum(int(artefact["bytes"]) for artefact in status.get("artefacts") or [])
    if status.get("phase") != Phase.READY and source.get("type", "Upload") == "Upload":
        total += source.get("bytes") or _planned(body)
    return total


def _planned(body: dict[str, Any]) -> int:
    size = body.get("metadata", {}).get("annotations", {}).get(ANNOTATION_UPLOAD_PLAN, "").partition(" ")[0]
    return int(size) if size.isdecimal() else 0

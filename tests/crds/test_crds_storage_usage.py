"""Stored bytes of a resource: what the store contains, as long as it does."""

from __future__ import annotations

from typing import Any

import pytest

from simulacra_crds.kinds.base import ANNOTATION_UPLOAD_PLAN
from simulacra_crds.storage_usage import stored_bytes


@pytest.mark.parametrize(
    ("phase", "artifacts", "stored"),
    [
        (None, [], 1000),
        ("Running", [], 1000),
        ("Failed", [], 0),
        ("Ready", [300, 7], 307),
        ("Deleting", [], 1000),
    ],
)
def test_upload_counts_until_its_work_has_ended(
    phase: str | None, artifacts: list[int], stored: int
) -> None:
    """It is erased before the work ends, in success or failure."""
    status: dict[str, Any] = {
        "artefacts": [{"bytes": size} for size in artifacts],
        **({"phase": phase} if phase else {}),
    }
    whole = {
        "metadata": {},
        "spec": {"source": {"type": "Upload", "bytes": 1000}},
        "status": status,
    }
    assert stored_bytes(whole) == stored
    pieces = {
        "metadata": {"annotations": {ANNOTATION_UPLOAD_PLAN: "1000 -"}},
        "spec": {"source": {}},
        "status": status,
    }
    assert stored_bytes(pieces) == stored
    deleted = whole | {
        "status": status | {"phase": "Deleting", "finishedAt": "2026-03-01T12:00:00Z"}
    }
    assert stored_bytes(deleted) == sum(artifacts)


def test_object_source_does_not_count_as_stored() -> None:
    body = {
        "metadata": {},
        "spec": {"source": {"type": "Object", "bytes": 1000}},
        "status": {"phase": "Failed"},
    }
    assert stored_bytes(body) == 0


def test_kept_upload_counts_once_and_stays_counted() -> None:
    kept = {"name": "upload", "bytes": 300, "sha256": "a" * 64}
    for phase in ("Held", "Failed", "Running", "Ready"):
        body = {
            "spec": {"source": {"type": "Upload", "bytes": 300}, "hold": True},
            "status": {"phase": phase, "artefacts": [kept, {"name": "schema.json", "bytes": 7}]},
        }
        assert stored_bytes(body) == 307

"""A small kopf operator for Widgets, run as a process by test_contract_kopf."""

from __future__ import annotations

from typing import Any

import kopf


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Set the operator's names, and delays short enough for the suite."""
    settings.persistence.finalizer = "contract.test/kopf"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix="contract.test")
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix="contract.test")
    settings.batching.idle_timeout = 1


@kopf.on.create("contract.test", "v1", "widgets")
@kopf.on.resume("contract.test", "v1", "widgets")
def created(body: kopf.Body, patch: kopf.Patch, name: str, namespace: str, **_: Any) -> None:
    """Report the creation in the status and in an event."""
    patch.status["phase"] = "Created"
    kopf.info(body, reason="Greeted", message="hello")


@kopf.on.update("contract.test", "v1", "widgets", field="spec.size")
def resized(patch: kopf.Patch, new: int, meta: kopf.Meta, **_: Any) -> None:
    """Copy the size to the status."""
    patch.status["phase"] = f"Sized{new}"
    patch.status["observedGeneration"] = meta["generation"]


@kopf.on.delete("contract.test", "v1", "widgets")
def deleted(retry: int, **_: Any) -> None:
    """Keep the object for one retry."""
    if retry == 0:
        raise kopf.TemporaryError("not yet", delay=1)

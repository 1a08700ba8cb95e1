"""What kopf's handlers do with an event: tell the engine which resource it concerns, if it tells anything new."""

from __future__ import annotations

from simulacra_crds.kube.client import Object
from simulacra_operator.runtime.controller import Engine
from simulacra_operator.work.custom_resource import Key, key_of

RETRY_S = 5.0
"""When a deletion handler is called again after it was cut off, which only a fault of ours can do."""


async def changed(engine: Engine, body: Object, event: str | None) -> None:
    """Wake the engine for a resource; `event` is DELETED when it is gone, None for a listing.

    The echo of our own write wakes only those who wait for it: the pass that wrote it goes on by itself.
    """
    key, meta = key_of(body), body["metadata"]
    if event == "DELETED":
        await engine.forget(key, meta["uid"])
    elif event == "ADDED" or (event == "MODIFIED" and meta.get("generation") != 1):
        engine.tell(key, body)
    if _settled(body):
        engine.rest(key)
        await engine.awaited(key)
    elif event == "MODIFIED" and engine.is_own(key, meta["resourceVersion"]):
        await engine.awaited(key)
    else:
        await engine.changed(key)


async def erased(engine: Engine, body: Object) -> None:
    """Return once everything of a resource that is being deleted is gone."""
    await engine.erased_for_good(key_of(body), body["metadata"]["uid"])


async def job_changed(engine: Engine, body: Object, event: str | None) -> None:
    """Wake the resource that a Job works for, and give on the place in the tenant's quota that a Job had."""
    meta = body["metadata"]
    gone = event == "DELETED"
    await engine.places.job(body, gone=gone)
    if not engine.jobs.news(body, event):
        return
    for owner in meta.get("ownerReferences", ()):
        await engine.changed(Key(owner["kind"], meta.get("namespace"), owner["name"]))


def _settled(body: Object) -> bool:
    """Whether an event needs no look at the world: the work ended, and nothing was asked for since.

    So a restart with many finished resources is cheap. A Job that was left over has its own event, and an expiry that
    moved with the tenant's limits is found by the sweep.
    """
    meta, status = body["metadata"], body.get("status", {})
    noted = status.get("observedGeneration") == meta.get("generation")
    return noted and status.get("finishedAt") is not None and meta.get("deletionTimestamp") is None

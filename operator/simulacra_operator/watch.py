"""What kopf's handlers do with an event: tell the engine which resource it concerns."""

from __future__ import annotations

from simulacra_crds.cluster import Object
from simulacra_operator.engine import Engine, jobs_of
from simulacra_operator.subject import Key, key_of

RETRY_S = 5.0
"""When a deletion handler is called again after it was cut off, which only a fault of ours can do."""


async def changed(engine: Engine, body: Object, event: str | None) -> None:
    """Wake the engine for a resource; `event` is DELETED when it is gone, None for a listing."""
    key = key_of(body)
    if event == "DELETED":
        engine.forget(key, body["metadata"]["uid"])
    if _settled(body):
        await engine.awaited(key)
    else:
        await engine.changed(key)


async def erased(engine: Engine, body: Object) -> None:
    """Return once everything of a resource that is being deleted is gone."""
    await engine.erased_for_good(key_of(body), body["metadata"]["uid"])


async def job_changed(engine: Engine, body: Object) -> None:
    """Wake the resource that a Job works for, and those that wait for a place in the tenant's quota."""
    namespace = body["metadata"].get("namespace")
    for owner in body["metadata"].get("ownerReferences", ()):
        await engine.changed(Key(owner["kind"], namespace, owner["name"]))
    await engine.awaited(jobs_of(namespace))


def _settled(body: Object) -> bool:
    """Whether an event needs no look at the world: the work ended, and nothing was asked for since.

    So a restart with many finished resources is cheap. A Job that was left over has its own event, and an expiry that
    moved with the tenant's limits is found by the sweep.
    """
    meta, status = body["metadata"], body.get("status", {})
    noted = status.get("observedGeneration") == meta.get("generation")
    return noted and status.get("finishedAt") is not None and meta.get("deletionTimestamp") is None

"""Routes events to the controller: which resource they concern, and whether it needs a pass."""

from simulacra_crds.kube.client import Object
from simulacra_operator.observed.custom_resource import Key, key_of
from simulacra_operator.runtime.controller import Controller


async def changed(controller: Controller, body: Object, event: str | None) -> None:
    """Queue a resource; `event` is DELETED when it is gone, None for one that is listed.

    The event of our own write wakes only the resources that wait for it: the pass that wrote it
    continues by itself.
    """
    key, meta = key_of(body), body["metadata"]
    if event == "DELETED":
        await controller.forget(key, meta["uid"])
    elif event == "ADDED" or (event == "MODIFIED" and meta.get("generation") != 1):
        controller.notify(key, body)
    if _settled(body):
        controller.rest(key)
        await controller.wake_waiting(key)
    elif event == "MODIFIED" and controller.is_own(key, meta["resourceVersion"]):
        await controller.wake_waiting(key)
    else:
        await controller.changed(key)


async def job_changed(controller: Controller, body: Object, event: str | None) -> None:
    """Queue the owner of a Job, and free the Job's quota slot if it ended."""
    meta = body["metadata"]
    await controller.slots.observe_job(body, gone=event == "DELETED")
    controller.ended_jobs.note(body, gone=event == "DELETED")
    if not controller.job_events.is_relevant(body, event):
        return
    for owner in meta.get("ownerReferences", ()):
        await controller.wake(Key(owner["kind"], meta.get("namespace"), owner["name"]))


def _settled(body: Object) -> bool:
    """Return whether an event needs no pass: the work ended, and nothing was requested since.

    This makes a restart with many finished resources cheap. A leftover Job has its own event, and
    the sweep finds an expiry that moved with the tenant's limits.
    """
    meta, status = body["metadata"], body.get("status", {})
    observed = status.get("observedGeneration") == meta.get("generation")
    finished = status.get("finishedAt") is not None
    return observed and finished and meta.get("deletionTimestamp") is None

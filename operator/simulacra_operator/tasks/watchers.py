"""Watchers of what kopf does not cover: Jobs, Tenants in listed namespaces, missed AccessRequests.

kopf keeps a task and the last state of each object with an event, and looks for handlers of its
changes and deletion. Jobs need none of it, and are three of eight events of a Dataset.

kopf would put its finalizer on every Tenant of the cluster. When told to ignore some, it removes
the finalizer of those that have it: a Tenant that is no longer listed would be deleted and its
bytes would stay. So its reconciler keeps the finalizer itself.
"""

from contextlib import aclosing

from simulacra_crds.kinds.base import LABEL_KIND
from simulacra_crds.kube.client import ACCESS_REQUESTS, JOBS, TENANTS
from simulacra_operator.observed.custom_resource import Key, key_of
from simulacra_operator.runtime import event_router
from simulacra_operator.runtime.controller import Controller


async def watch_tenants(controller: Controller) -> None:
    """Route the events of the served Tenants until the watch is refused."""
    kind = {"apiVersion": TENANTS.api_version, "kind": TENANTS.kind}
    async with aclosing(controller.cluster.watch(TENANTS)) as changes:
        async for change, body in changes:
            if change == "BOOKMARK":  # it has no name
                continue
            if controller.scope.serves(Key("Tenant", None, body["metadata"]["name"])):
                await event_router.changed(controller, {**kind, **body}, change)


async def watch_jobs(controller: Controller, namespace: str | None) -> None:
    """Route the events of the Jobs of a namespace (None: all) until the watch is refused.

    Those that are listed first come without an event, as their resources are listed as well.
    """
    listed = False
    async with aclosing(controller.cluster.watch(JOBS, namespace, labels=LABEL_KIND)) as changes:
        async for change, body in changes:
            if change == "BOOKMARK":
                listed = True
            else:
                await event_router.job_changed(controller, body, change if listed else None)


async def poll_access_requests(controller: Controller) -> None:
    """Queue every AccessRequest, because an event may be missed and old ones are deleted."""
    async for body in controller.cluster.list(ACCESS_REQUESTS):
        await controller.changed(key_of(body))

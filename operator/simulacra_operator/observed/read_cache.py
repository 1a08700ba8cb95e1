"""Half-second cache of custom resources that many passes read, such as the Tenant or a Model.

An event of an object invalidates it, so a pass that the event starts reads the new version. What a
pass wrote is kept for the next pass over the same object, until another's event: every write names
the version that it changes, so one that is outdated after all only meets a conflict.
"""

import asyncio

from simulacra_crds.kube.client import CUSTOM, Cluster, Object
from simulacra_operator.observed.custom_resource import CustomResource, Key, parse

FRESH_S = 0.5
MOST = 1000
"""Cached objects."""
MOST_WRITTEN = 2000
"""Objects that are kept between two passes, as while a Job runs; one more is read."""


class ReadCache:
    """Reads custom resources. Callers must not change what it returns."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._cached: dict[Key, tuple[float, CustomResource | None]] = {}
        self._written: dict[Key, Object] = {}
        self._invalidations = 0

    def invalidate(self, key: Key) -> None:
        """Read an object from the API server next time; reads in progress are not cached."""
        self._invalidations += 1
        self._cached.pop(key, None)

    def keep(self, key: Key, body: Object) -> None:
        """Keep an object as the API server returned it after our own write."""
        if len(self._written) < MOST_WRITTEN or key in self._written:
            self._written[key] = body

    def drop(self, key: Key) -> None:
        """Forget our own write: somebody else has changed the object."""
        self._written.pop(key, None)

    async def latest(self, key: Key) -> CustomResource | None:
        """Return an object as our last write left it, once; else read it."""
        body = self._written.pop(key, None)
        if body is None or body["metadata"].get("deletionTimestamp") is not None:
            return await self.find(key, fresh=True)
        api = CUSTOM[key.kind]
        return parse({"apiVersion": api.api_version, "kind": api.kind, **body})

    async def find(self, key: Key, *, fresh: bool = False) -> CustomResource | None:
        """Return an object at most `FRESH_S` old, None when it does not exist.

        With `fresh` it is always read, and cached only if it was before: most resources that are
        read fresh are read by one pass only.
        """
        now = asyncio.get_running_loop().time()
        cached = self._cached.get(key)
        if cached is not None and not fresh and now - cached[0] < FRESH_S:
            return cached[1]
        invalidations = self._invalidations
        api = CUSTOM[key.kind]
        found: Object | None = await self._cluster.find(api, key.name, key.namespace)
        identity = {"apiVersion": api.api_version, "kind": api.kind}
        resource = parse({**identity, **found}) if found else None
        if invalidations == self._invalidations and (not fresh or key in self._cached):
            if len(self._cached) >= MOST:
                self._cached.clear()
            self._cached[key] = (now, resource)
        return resource

"""Reads that many passes have in common (the tenant, the Model of a thousand generations), once in half a second.

An event of the object makes the next read a fresh one, so that whoever the event wakes sees what it told of.
"""

from __future__ import annotations

import asyncio

from simulacra_crds.kube.client import CUSTOM, Cluster, Object
from simulacra_operator.work.custom_resource import Key, Subject, parse

FRESH_S = 0.5
MOST = 1000
"""Objects that are kept."""


class SharedReads:
    """Reads of custom resources. What is returned must not be changed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kept: dict[Key, tuple[float, Subject | None]] = {}
        self._told = 0

    def forget(self, key: Key) -> None:
        """Read an object anew the next time; answers that are on their way are not kept."""
        self._told += 1
        self._kept.pop(key, None)

    async def find(self, key: Key, *, fresh: bool = False) -> Subject | None:
        """Return an object, at most `FRESH_S` old; None when it does not exist.

        What is read `fresh` is kept only in the place of an older answer: most of it no other pass looks at.
        """
        now = asyncio.get_running_loop().time()
        kept = self._kept.get(key)
        if kept is not None and not fresh and now - kept[0] < FRESH_S:
            return kept[1]
        told = self._told
        resource = CUSTOM[key.kind]
        found: Object | None = await self._cluster.find(resource, key.name, key.namespace)
        identity = {"apiVersion": resource.api_version, "kind": resource.kind}
        subject = parse({**identity, **found}) if found else None
        if told == self._told and (not fresh or key in self._kept):
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[key] = (now, subject)
        return subject

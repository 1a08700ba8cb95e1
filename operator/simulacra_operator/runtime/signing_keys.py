"""The installation's signing keys: made once by the operator and read by it; the public parts are published.

The API serves the ConfigMap with the public parts. The keys are in a namespace of their own, where it may read nothing.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from simulacra_crds.contract.names import INSTALLATION_KEYS, keys_namespace, system_namespace
from simulacra_crds.kube.client import (
    CONFIGMAPS,
    NAMESPACES,
    SECRETS,
    AlreadyExists,
    Cluster,
    NotFound,
    Object,
)
from simulacra_custody.audit.installation_keys import InstallationKeys


class Installation:
    """Reads the keys, or makes them, at the first use. Create it inside the event loop that it is used in."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._keys: InstallationKeys | None = None
        self._turn = asyncio.Lock()

    async def keys(self) -> InstallationKeys:
        """Return the keys; they are published when this returns. Raises ClusterError."""
        async with self._turn:
            if self._keys is None:
                keys = InstallationKeys.from_data((await self._secret())["data"])
                await self._publish(keys)
                self._keys = keys
            return self._keys

    async def _secret(self) -> Object:
        found = await self._cluster.find(SECRETS, INSTALLATION_KEYS, keys_namespace())
        if found is not None:
            return found
        body = {**_named("Secret", INSTALLATION_KEYS), "type": "simulacra.dev/installation-keys"}
        body |= {"data": InstallationKeys.generate().to_data()}
        try:
            try:
                return await self._cluster.create(SECRETS, body, keys_namespace())
            except NotFound:  # the administrator did not prepare the namespace
                with suppress(AlreadyExists):
                    await self._cluster.create(NAMESPACES, _named("Namespace", keys_namespace()))
                return await self._cluster.create(SECRETS, body, keys_namespace())
        except AlreadyExists:  # another operator was first: its keys are the keys
            return await self._cluster.get(SECRETS, INSTALLATION_KEYS, keys_namespace())

    async def _publish(self, keys: InstallationKeys) -> None:
        """Publish the public parts, in the place of others that may be there from before a Secret was lost."""
        data = {"keys.json": json.dumps(keys.public_document())}
        found = await self._cluster.find(CONFIGMAPS, INSTALLATION_KEYS, system_namespace())
        if found is not None and found.get("data") == data:
            return
        if found is not None:
            await self._cluster.delete(
                CONFIGMAPS, INSTALLATION_KEYS, system_namespace(), uid=found["metadata"]["uid"]
            )
        try:
            await self._cluster.create(
                CONFIGMAPS,
                {**_named("ConfigMap", INSTALLATION_KEYS), "data": data},
                system_namespace(),
            )
        except AlreadyExists:
            return  # another operator has published the same


def _named(kind: str, name: str) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}

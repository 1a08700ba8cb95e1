"""Signing keys of the installation: created once, read by the operator, public parts published.

The API serves the ConfigMap with the public parts. The Secret is in a namespace of its own, where
the API may read nothing.
"""

import asyncio
import json
from contextlib import suppress

from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Cluster, Object
from simulacra_crds.names import INSTALLATION_KEYS, keys_namespace, system_namespace
from simulacra_custody.audit.installation_keys import InstallationKeys


class SigningKeys:
    """Reads or creates the keys at their first use. Create it inside its event loop."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._keys: InstallationKeys | None = None
        self._lock = asyncio.Lock()

    async def keys(self) -> InstallationKeys:
        """Return the keys, whose public parts are published. Raises ClusterError."""
        async with self._lock:
            if self._keys is None:
                keys = InstallationKeys.from_data((await self._secret())["data"])
                await self._publish(keys)
                self._keys = keys
            return self._keys

    async def _secret(self) -> Object:
        namespace = keys_namespace()
        found = await self._cluster.find(kube.SECRETS, INSTALLATION_KEYS, namespace)
        if found is not None:
            return found
        body = {**_named("Secret", INSTALLATION_KEYS), "type": "simulacra.dev/installation-keys"}
        body |= {"data": InstallationKeys.generate().to_data()}
        try:
            try:
                return await self._cluster.create(kube.SECRETS, body, namespace)
            except kube.NotFound:  # the administrator did not prepare the namespace
                with suppress(kube.AlreadyExists):
                    await self._cluster.create(kube.NAMESPACES, _named("Namespace", namespace))
                return await self._cluster.create(kube.SECRETS, body, namespace)
        except kube.AlreadyExists:  # another operator was first: its keys count
            return await self._cluster.get(kube.SECRETS, INSTALLATION_KEYS, namespace)

    async def _publish(self, keys: InstallationKeys) -> None:
        """Publish the public parts, replacing those of a lost Secret."""
        data = {"keys.json": json.dumps(keys.public_document())}
        namespace = system_namespace()
        found = await self._cluster.find(kube.CONFIGMAPS, INSTALLATION_KEYS, namespace)
        if found is not None and found.get("data") == data:
            return
        if found is not None:
            uid = found["metadata"]["uid"]
            await self._cluster.delete(kube.CONFIGMAPS, INSTALLATION_KEYS, namespace, uid=uid)
        body = {**_named("ConfigMap", INSTALLATION_KEYS), "data": data}
        with suppress(kube.AlreadyExists):  # another operator published the same
            await self._cluster.create(kube.CONFIGMAPS, body, namespace)


def _named(kind: str, name: str) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}

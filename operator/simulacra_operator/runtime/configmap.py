"""ConfigMaps of the operator in the system namespace."""

from contextlib import suppress

from simulacra_crds.kube.client import CONFIGMAPS, AlreadyExists, Cluster, NotFound, Object
from simulacra_crds.names import system_namespace


async def save(cluster: Cluster, name: str, data: dict[str, str], **patch: Object) -> None:
    """Write the data of a ConfigMap, made if there is none; patch changes more of one there is."""
    namespace = system_namespace()
    try:
        await cluster.patch(CONFIGMAPS, name, {**patch, "data": data}, namespace)
    except NotFound:
        body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        with suppress(AlreadyExists):
            await cluster.create(CONFIGMAPS, body | {"data": data}, namespace)

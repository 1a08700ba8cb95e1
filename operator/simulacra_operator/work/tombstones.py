"""Tombstones: the Idempotency-Key of a deleted resource, kept for 24 hours after its use.

A resource older than that needs none. An upload that was never completed created nothing, so its
key stays free. A probe has an empty digest: it has no key.
"""

from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Cluster, Object
from simulacra_crds.tombstone import REQUEST_DIGEST, TOMBSTONE_LIFETIME, Tombstone, manifest
from simulacra_operator.observed.observe import Observed
from simulacra_operator.work.actions import Action, LeaveTombstone


def tombstone(seen: Observed) -> list[Action]:
    """Return the action that leaves a tombstone, empty where none is needed."""
    resource = seen.resource
    digest = resource.meta.annotations.get(REQUEST_DIGEST)
    if not digest or resource.spec is None or seen.now >= resource.created + TOMBSTONE_LIFETIME:
        return []
    if seen.tenant is None or seen.tenant.deleting:
        return []
    facts = {"request": digest, "created": resource.created}
    if resource.kind == "Dataset":
        source = resource.spec.source
        if source.type != "Upload" or source.sha256 is None:
            return []
        facts |= {"content": source.sha256, "bytes": source.bytes}
    if resource.kind == "GenerationJob":
        facts |= {"rows": resource.spec.row_count or 0, "seed": resource.spec.seed}
    namespace, kept = resource.meta.namespace or "", Tombstone.model_validate(facts)
    return [LeaveTombstone(manifest(resource.meta.name, namespace, kept))]


async def leave(cluster: Cluster, tombstone: Object) -> None:
    """Create a tombstone, replacing one of an earlier use of the key.

    Nobody can use the key again in a namespace that is terminating or gone.
    """
    name, namespace = tombstone["metadata"]["name"], tombstone["metadata"]["namespace"]
    try:
        try:
            await cluster.create(kube.CONFIGMAPS, tombstone, namespace)
        except kube.AlreadyExists:
            found = await cluster.get(kube.CONFIGMAPS, name, namespace)
            if found.get("data") != tombstone["data"]:
                await cluster.delete(kube.CONFIGMAPS, name, namespace, uid=found["metadata"]["uid"])
                await cluster.create(kube.CONFIGMAPS, tombstone, namespace)
    except kube.NotFound:
        return
    except kube.ClusterError as error:
        if error.status != 403 or "being terminated" not in error.message:
            raise

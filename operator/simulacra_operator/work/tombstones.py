"""Keeps an Idempotency-Key in mind after its resource is gone.

Only a resource that goes within 24 hours needs that: the key of an older one was remembered long enough. An upload
that was never completed made nothing, so its key stays free. A probe has no key, and an empty digest.
"""

from __future__ import annotations

from simulacra_crds.contract.tombstone import (
    REQUEST_DIGEST,
    TOMBSTONE_LIFETIME,
    Tombstone,
    manifest,
)
from simulacra_crds.kube.client import (
    CONFIGMAPS,
    AlreadyExists,
    Cluster,
    ClusterError,
    NotFound,
    Object,
)
from simulacra_operator.runtime.actions import Action, Remember
from simulacra_operator.work.observed import Observed


def remember(seen: Observed) -> list[Action]:
    """Return the action that leaves a tombstone, none where nothing is to be remembered."""
    subject, digest = seen.subject, seen.subject.meta.annotations.get(REQUEST_DIGEST)
    tenant_goes = seen.tenant is None or seen.tenant.deleting
    if (
        not digest
        or tenant_goes
        or subject.spec is None
        or seen.now >= subject.created + TOMBSTONE_LIFETIME
    ):
        return []
    facts = {"request": digest, "created": subject.created}
    if subject.kind == "Dataset":
        source = subject.spec.source
        if source.type != "Upload" or source.sha256 is None:
            return []
        facts |= {"content": source.sha256, "bytes": source.bytes}
    if subject.kind == "GenerationJob":
        facts |= {"rows": subject.spec.row_count, "seed": subject.spec.seed}
    namespace = subject.meta.namespace or ""
    return [Remember(manifest(subject.meta.name, namespace, Tombstone.model_validate(facts)))]


async def leave(cluster: Cluster, tombstone: Object) -> None:
    """Create a tombstone, in the place of one of an earlier use of the key.

    In a namespace that ends, or is gone, nobody can use the key again.
    """
    name, namespace = tombstone["metadata"]["name"], tombstone["metadata"]["namespace"]
    try:
        try:
            await cluster.create(CONFIGMAPS, tombstone, namespace)
        except AlreadyExists:
            found = await cluster.get(CONFIGMAPS, name, namespace)
            if found.get("data") != tombstone["data"]:
                await cluster.delete(CONFIGMAPS, name, namespace, uid=found["metadata"]["uid"])
                await cluster.create(CONFIGMAPS, tombstone, namespace)
    except NotFound:
        return
    except ClusterError as error:
        if error.status != 403 or "being terminated" not in error.message:
            raise

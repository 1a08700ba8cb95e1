"""Idempotency-Keys whose resource is gone: for 24 hours from their first use the first answer is given again."""

from __future__ import annotations

from simulacra_api.http.problems import Problem
from simulacra_crds.contract.tombstone import Tombstone, read_tombstone, tombstone_name
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kube.client import CONFIGMAPS, Cluster, Object


async def find_tombstone(
    cluster: Cluster, name: str, namespace: str, digest: str
) -> Tombstone | None:
    """Return what is remembered of the resource that a key made; None when nothing is, or not any
    more.

    Raises:
        Problem: 409 when the key was used for another request.
    """
    found = await cluster.find(CONFIGMAPS, tombstone_name(name), namespace)
    if found is None:
        return None
    tombstone = read_tombstone(found)
    if utcnow() >= tombstone.expires_at:
        return None
    if tombstone.request != digest:
        raise Problem("simio_idempotency_conflict")
    return tombstone


def resource_as_created(name: str, tombstone: Tombstone) -> Object:
    """Return the part of a resource that its first answer was made of."""
    source = {"sha256": tombstone.content, "bytes": tombstone.bytes}
    return {
        "metadata": {"name": name},
        "spec": {"source": source, "rowCount": tombstone.rows, "seed": tombstone.seed},
    }

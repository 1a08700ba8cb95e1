"""What is remembered of an Idempotency-Key whose resource is gone: hashes and counts, for 24 hours from its first use.

A tombstone is a ConfigMap in the tenant's namespace, named after the resource (whose name is a hash of the key). The
operator writes it before it lets the resource go and sweeps it; the API answers a repeated request from it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import Field

from simulacra_crds.kinds.base import GROUP, LABEL_KIND, KubeModel, Sha256, Timestamp
from simulacra_crds.kube.client import Object

REQUEST_DIGEST = f"{GROUP}/request-sha256"
"""Annotation: SHA-256 of the request that made the resource; the request itself is nowhere but in spec."""
KIND = "tombstone"
SELECTOR = f"{LABEL_KIND}={KIND}"
TOMBSTONE_LIFETIME = timedelta(hours=24)
"""How long a key is remembered, counted from the creation of what it made."""
_ENTRY = "tombstone.json"


class Tombstone(KubeModel):
    """What the first answer was made of.

    Attributes:
        request: digest of the request.
        content: digest of the uploaded bytes, of a Dataset.
        bytes: their number.
        rows: rows asked for, of a GenerationJob.
        seed: the seed that was drawn or given.
        created: when the key was used.
    """

    request: Sha256
    content: Sha256 | None = None
    bytes: int | None = Field(default=None, ge=0)
    rows: int | None = Field(default=None, ge=0)
    seed: int | None = Field(default=None, ge=0)
    created: Timestamp

    @property
    def expires_at(self) -> datetime:
        """When the key may be used again."""
        return self.created + TOMBSTONE_LIFETIME


def tombstone_name(resource_name: str) -> str:
    """Return the name of the ConfigMap that remembers a resource."""
    return f"gone-{resource_name}"


def manifest(resource_name: str, namespace: str, tombstone: Tombstone) -> Object:
    """Return the ConfigMap."""
    metadata = {
        "name": tombstone_name(resource_name),
        "namespace": namespace,
        "labels": {LABEL_KIND: KIND},
    }
    data = {_ENTRY: tombstone.model_dump_json(by_alias=True, exclude_none=True)}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": data,
        "immutable": True,
    }


def read_tombstone(config_map: Object) -> Tombstone:
    """Return what a ConfigMap remembers; ValueError when it is none of ours."""
    return Tombstone.model_validate_json((config_map.get("data") or {}).get(_ENTRY, ""))

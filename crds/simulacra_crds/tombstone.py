"""Tombstones: records of deleted resources, so that their Idempotency-Keys stay used for 24 hours.

A tombstone is a ConfigMap in the tenant's namespace with hashes and counts, named after the
resource, whose name is a hash of the key. The operator writes it before it removes the resource,
and deletes it later. The API answers a repeated request from it.
"""

from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from simulacra_crds.kinds.base import GROUP, LABEL_KIND, Sha256
from simulacra_schema.base import KubeModel, Timestamp

REQUEST_DIGEST = f"{GROUP}/request-sha256"
"""Annotation: SHA-256 of the request that created the resource; only spec has its content."""
KIND = "tombstone"
SELECTOR = f"{LABEL_KIND}={KIND}"
TOMBSTONE_LIFETIME = timedelta(hours=24)
"""Lifetime of a tombstone, from the creation of its resource."""
_ENTRY = "tombstone.json"


class Tombstone(KubeModel):
    """The facts of the first answer.

    Attributes:
        request: digest of the request.
        content: digest of a Dataset's upload.
        bytes: size of the upload.
        rows: rows requested from a GenerationJob.
        seed: seed of a GenerationJob.
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
    """Return the name of a resource's tombstone."""
    return f"gone-{resource_name}"


def manifest(resource_name: str, namespace: str, tombstone: Tombstone) -> dict[str, Any]:
    """Return the ConfigMap of a tombstone."""
    name = tombstone_name(resource_name)
    metadata = {"name": name, "namespace": namespace, "labels": {LABEL_KIND: KIND}}
    data = {_ENTRY: tombstone.model_dump_json(by_alias=True, exclude_none=True)}
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    return {**head, "data": data, "immutable": True}


def read_tombstone(config_map: dict[str, Any]) -> Tombstone:
    """Read the tombstone of a ConfigMap. Raises ValueError if it has none."""
    return Tombstone.model_validate_json((config_map.get("data") or {}).get(_ENTRY, ""))

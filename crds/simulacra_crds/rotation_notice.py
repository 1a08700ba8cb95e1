"""Notice of a rotated client secret, for the tenant's webhooks.

A ConfigMap in the tenant's namespace with ids only. The API writes it when a claim gives a secret,
the operator delivers and deletes it.
"""

from datetime import timedelta
from typing import Any

from simulacra_crds.kinds.base import LABEL_KIND, LABEL_TENANT
from simulacra_crds.webhook import EventName

KIND = "rotation-notice"
SELECTOR = f"{LABEL_KIND}={KIND}"
EVENT: EventName = "credential.rotated"
LIFETIME = timedelta(days=2)
"""Longer than a message is retried."""


def notice(tenant: str, client_id: str, rotation_id: str) -> dict[str, Any]:
    """Return the ConfigMap of a rotation."""
    labels = {LABEL_KIND: KIND, LABEL_TENANT: tenant}
    metadata = {"name": f"{KIND}-{rotation_id}", "labels": labels}
    data = {"client_id": client_id, "rotation_id": rotation_id}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def content_of(config_map: dict[str, Any]) -> dict[str, str]:
    """Return the ids in a notice; others may set its label on what has none."""
    data = config_map.get("data") or {}
    return {name: str(data.get(name, "")) for name in ("client_id", "rotation_id")}

"""Webhooks: addresses of a tenant that are called when a job ends or a secret is rotated.

A webhook is a ConfigMap in the tenant's namespace. Its address and signing secret are sealed under
the tenant's key (`simulacra_custody.keys.sealed_secrets`); its event types and creation time are in
the clear. The API writes it, the operator delivers.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel

from simulacra_crds.kinds.base import GROUP, LABEL_KIND
from simulacra_crds.public_address import is_public

KIND = "webhook"
SELECTOR = f"{LABEL_KIND}={KIND}"
PREFIX = "webhook-"
EventName = Literal["job.ready", "job.partial", "job.failed", "credential.rotated"]
EVENTS: tuple[EventName, ...] = get_args(EventName)
NOTIFIED = f"{GROUP}/webhooks-notified"
"""Annotation of a resource: ids of the webhooks without a pending delivery of its end."""
DISABLED = f"{GROUP}/webhook-disabled"
"""Annotation of a webhook: when its address answered 410 Gone."""
MAX_URL = 1024
ALLOW_PRIVATE_VARIABLE = "SIMULACRA_WEBHOOK_ALLOW_PRIVATE"
"""`true` allows http and addresses that are not public, for one machine and for tests."""
_SWITCH = {"": False, "false": False, "true": True}
_LOCAL_NAMES = (
    "localhost", ".localhost", ".local", ".internal", ".svc", ".cluster.local", ".home.arpa",
)  # fmt: skip


class WebhookTarget(BaseModel, extra="forbid", hide_input_in_errors=True):
    """The sealed part of a webhook."""

    url: str
    secret: str


def allows_private(env: Mapping[str, str]) -> bool:
    """Read ALLOW_PRIVATE_VARIABLE. Raises ValueError if it is neither true nor false."""
    value = env.get(ALLOW_PRIVATE_VARIABLE, "")
    if value not in _SWITCH:
        raise ValueError(f"{ALLOW_PRIVATE_VARIABLE} must be true or false (the default)")
    return _SWITCH[value]


def sealing_purpose(webhook_id: str) -> str:
    """Return the purpose of a webhook's sealed target, so that it opens for this webhook only."""
    return f"webhook/{webhook_id}"


def manifest(
    webhook_id: str, tenant_label: tuple[str, str], sealed: str, events: list[EventName]
) -> dict[str, Any]:
    """Return the ConfigMap of a webhook."""
    labels = {LABEL_KIND: KIND, tenant_label[0]: tenant_label[1]}
    data = {"sealed": sealed, "events": json.dumps(events)}
    metadata = {"name": f"{PREFIX}{webhook_id}", "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def is_webhook(config_map: dict[str, Any]) -> bool:
    """Return whether a ConfigMap with the label is a webhook; others may set the label too."""
    data = config_map.get("data") or {}
    try:
        events = json.loads(data.get("events", ""))
    except (ValueError, RecursionError):
        return False
    named = str(config_map["metadata"]["name"]).startswith(PREFIX)
    return named and "sealed" in data and isinstance(events, list)


def id_of(config_map: dict[str, Any]) -> str:
    """Return the id of a webhook."""
    return str(config_map["metadata"]["name"]).removeprefix(PREFIX)


def created_of(config_map: dict[str, Any]) -> datetime:
    """Return when a webhook was created; jobs that ended before are not delivered."""
    return datetime.fromisoformat(config_map["metadata"]["creationTimestamp"])


def check_url(url: str, *, allow_private: bool) -> None:
    """Reject the text of an invalid address; its resolution is checked at delivery.

    Raises:
        ValueError: says what to give.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("give a URL such as https://hooks.example.com/simulacra") from None
    if len(url) > MAX_URL or any(ord(sign) <= 32 or ord(sign) > 126 for sign in url):
        raise ValueError(f"give at most {MAX_URL} visible ASCII characters")
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        raise ValueError("give an https URL")
    host = parts.hostname or ""
    labels = host.removesuffix(".").split(".")
    if not all(0 < len(label) <= 63 for label in labels) or port == 0:
        raise ValueError("give a URL with a host name")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("give a URL without user, password and fragment")
    if not allow_private and not _may_be_public(host):
        raise ValueError("give an address on the public internet")


def _may_be_public(host: str) -> bool:
    name = host.rstrip(".").lower()
    try:
        return is_public(name)
    except ValueError:
        pass
    # Resolvers read 127.1, 0x7f000001 and 2130706433 as addresses.
    last = name.rpartition(".")[2]
    if last.isdigit() or last.startswith("0x"):
        return False
    return "." in name and not name.endswith(_LOCAL_NAMES)

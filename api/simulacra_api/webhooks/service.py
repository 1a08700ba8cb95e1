"""Webhooks of a tenant: made, shown, removed. The operator delivers."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import secrets
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.tenancy.audit import record
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.contract.webhook import (
    DISABLED,
    EVENTS,
    MAX_URL,
    PREFIX,
    SELECTOR,
    EventName,
    WebhookTarget,
    check_url,
    created_of,
    id_of,
    manifest,
    sealing_purpose,
)
from simulacra_crds.kinds.base import LABEL_TENANT
from simulacra_crds.kube.client import CONFIGMAPS, NotFound, Object
from simulacra_custody.audit.event import EventType
from simulacra_custody.keys.sealed_secrets import seal, unseal

MAX_WEBHOOKS = 16
SECRET_PREFIX = "whsec_"  # noqa: S105 - what Standard Webhooks calls it
_ID = re.compile(r"[0-9a-f]{24}")


class WebhookRequest(BaseModel):
    """Where to tell what."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"url": "https://hooks.example.com/simulacra", "events": ["job.ready"]}]
        },
    )

    url: str = Field(max_length=MAX_URL, description="https, on the public internet.")
    events: list[EventName] = Field(default=list(EVENTS), min_length=1, max_length=len(EVENTS))


class WebhookBody(BaseModel):
    """A webhook."""

    webhook_id: str
    url: str
    events: list[EventName]
    created_at: datetime
    disabled_at: datetime | None = Field(
        default=None, description="When the address answered 410 Gone; it is let be."
    )


class WebhookCreated(WebhookBody):
    """A new webhook, with its secret."""

    secret: str = Field(description="Checks signatures (Standard Webhooks); shown this once.")


class WebhookList(BaseModel):
    """The tenant's webhooks, oldest first; 16 at most."""

    items: list[WebhookBody]


async def create_webhook(repository: TenantRepository, wanted: WebhookRequest) -> WebhookCreated:
    """Make a webhook.

    Raises:
        Problem: 400 for an address that no webhook may have, 402 above 16.
    """
    try:
        check_url(wanted.url, allow_private=repository.services.settings.webhooks_allow_private)
    except ValueError as error:
        raise invalid_field("/url", str(error)) from None
    if len(await _all(repository)) >= MAX_WEBHOOKS:
        raise Problem(
            "simio_quota_exceeded", f"{MAX_WEBHOOKS} webhooks are the limit of a tenant: delete one"
        )
    caller, webhook_id = repository.caller, secrets.token_hex(12)
    target = WebhookTarget(
        url=wanted.url, secret=SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    )
    keys, text = repository.services.custody.keys, target.model_dump_json().encode()
    sealed = await asyncio.to_thread(
        seal, keys, caller.tenant_name, sealing_purpose(webhook_id), text
    )
    events = sorted(set(wanted.events), key=EVENTS.index)
    body = manifest(webhook_id, (LABEL_TENANT, caller.tenant_name), sealed, events)
    await record(
        repository.services.audit,
        EventType.WEBHOOK_CREATED,
        caller.audit_data(kind="webhooks", uid=webhook_id),
    )
    try:
        created = await repository.services.cluster.create(CONFIGMAPS, body, caller.namespace)
    except NotFound:
        raise Problem("simio_tenant_not_ready") from None
    return WebhookCreated(**(await _body(repository, created)).model_dump(), secret=target.secret)


async def list_webhooks(repository: TenantRepository) -> WebhookList:
    """Return all webhooks of the tenant."""
    found = sorted(
        await _all(repository), key=lambda one: (one["metadata"]["creationTimestamp"], id_of(one))
    )
    return WebhookList(items=[await _body(repository, one) for one in found])


async def find_webhook(repository: TenantRepository, webhook_id: str) -> WebhookBody:
    """Return a webhook; 404 when there is none."""
    return await _body(repository, await _find(repository, webhook_id))


async def delete_webhook(repository: TenantRepository, webhook_id: str) -> None:
    """Remove a webhook; 404 when there is none. What is on its way may still arrive."""
    found = await _find(repository, webhook_id)
    caller = repository.caller
    await record(
        repository.services.audit,
        EventType.WEBHOOK_DELETED,
        caller.audit_data(kind="webhooks", uid=webhook_id),
    )
    await repository.services.cluster.delete(
        CONFIGMAPS, found["metadata"]["name"], caller.namespace
    )


async def _all(repository: TenantRepository) -> list[Object]:
    listed = repository.services.cluster.list(
        CONFIGMAPS, repository.caller.namespace, labels=SELECTOR
    )
    return [item async for item in listed]


async def _find(repository: TenantRepository, webhook_id: str) -> Object:
    found = None
    if _ID.fullmatch(webhook_id):
        found = await repository.services.cluster.find(
            CONFIGMAPS, f"{PREFIX}{webhook_id}", repository.caller.namespace
        )
    if found is None:
        raise Problem("simio_webhook_not_found")
    return found


async def _body(repository: TenantRepository, found: Object) -> WebhookBody:
    webhook_id, keys = id_of(found), repository.services.custody.keys
    purpose, sealed = sealing_purpose(webhook_id), found["data"]["sealed"]
    opened = await asyncio.to_thread(unseal, keys, repository.caller.tenant_name, purpose, sealed)
    notes: dict[str, Any] = found["metadata"].get("annotations") or {}
    return WebhookBody(
        webhook_id=webhook_id,
        url=WebhookTarget.model_validate_json(opened).url,
        events=json.loads(found["data"]["events"]),
        created_at=created_of(found),
        disabled_at=notes.get(DISABLED),
    )

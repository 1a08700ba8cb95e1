"""Webhooks of a tenant: create, show and delete them. The operator delivers the messages."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import secrets

from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_api.webhooks.schemas import WebhookBody, WebhookCreated, WebhookList, WebhookRequest
from simulacra_crds.kinds.base import LABEL_TENANT
from simulacra_crds.kube.client import CONFIGMAPS, NotFound, Object
from simulacra_crds.webhook import (
    DISABLED,
    EVENTS,
    PREFIX,
    SELECTOR,
    WebhookTarget,
    check_url,
    created_of,
    id_of,
    manifest,
    sealing_purpose,
)
from simulacra_custody.audit.event import EventType
from simulacra_custody.keys.sealed_secrets import seal, unseal

MAX_WEBHOOKS = 16
SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of Standard Webhooks
_ID = re.compile(r"[0-9a-f]{24}")


async def create_webhook(repository: TenantRepository, wanted: WebhookRequest) -> WebhookCreated:
    """Create a webhook.

    Raises:
        Problem: 400 for a URL that is not allowed, 402 above 16 webhooks.
    """
    services = repository.services
    try:
        check_url(wanted.url, allow_private=services.settings.webhooks_allow_private)
    except ValueError as error:
        raise invalid_field("/url", str(error)) from None
    if len(await _all(repository)) >= MAX_WEBHOOKS:
        detail = f"The tenant has {MAX_WEBHOOKS} webhooks, its limit. Delete one."
        raise Problem("simio_quota_exceeded", detail)
    tenant = repository.caller.tenant_name
    webhook_id = secrets.token_hex(12)
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    text = WebhookTarget(url=wanted.url, secret=secret).model_dump_json().encode()
    purpose = sealing_purpose(webhook_id)
    sealed = await asyncio.to_thread(seal, services.custody.keys, tenant, purpose, text)
    events = sorted(set(wanted.events), key=EVENTS.index)
    body = manifest(webhook_id, (LABEL_TENANT, tenant), sealed, events)
    await repository.record(EventType.WEBHOOK_CREATED, kind="webhooks", uid=webhook_id)
    try:
        created = await repository.cluster.create(CONFIGMAPS, body, repository.namespace)
    except NotFound:
        raise Problem("simio_tenant_not_ready") from None
    return WebhookCreated(**(await _body(repository, created)).model_dump(), secret=secret)


async def list_webhooks(repository: TenantRepository) -> WebhookList:
    """Return all webhooks of the tenant."""
    found = await _all(repository)
    found.sort(key=lambda item: (item["metadata"]["creationTimestamp"], id_of(item)))
    return WebhookList(items=[await _body(repository, item) for item in found])


async def find_webhook(repository: TenantRepository, webhook_id: str) -> WebhookBody:
    """Return a webhook; 404 when there is none."""
    return await _body(repository, await _find(repository, webhook_id))


async def delete_webhook(repository: TenantRepository, webhook_id: str) -> None:
    """Delete a webhook; 404 when there is none. A delivery that has started may still arrive."""
    name = (await _find(repository, webhook_id))["metadata"]["name"]
    await repository.record(EventType.WEBHOOK_DELETED, kind="webhooks", uid=webhook_id)
    await repository.cluster.delete(CONFIGMAPS, name, repository.namespace)


async def _all(repository: TenantRepository) -> list[Object]:
    listed = repository.cluster.list(CONFIGMAPS, repository.namespace, labels=SELECTOR)
    return [item async for item in listed]


async def _find(repository: TenantRepository, webhook_id: str) -> Object:
    found = None
    if _ID.fullmatch(webhook_id):
        name = f"{PREFIX}{webhook_id}"
        found = await repository.cluster.find(CONFIGMAPS, name, repository.namespace)
    if found is None:
        raise Problem("simio_webhook_not_found")
    return found


async def _body(repository: TenantRepository, found: Object) -> WebhookBody:
    webhook_id = id_of(found)
    keys = repository.services.custody.keys
    purpose = sealing_purpose(webhook_id)
    sealed = found["data"]["sealed"]
    opened = await asyncio.to_thread(unseal, keys, repository.caller.tenant_name, purpose, sealed)
    return WebhookBody(
        webhook_id=webhook_id,
        url=WebhookTarget.model_validate_json(opened).url,
        events=json.loads(found["data"]["events"]),
        created_at=created_of(found),
        disabled_at=(found["metadata"].get("annotations") or {}).get(DISABLED),
    )

"""Webhooks of a tenant: create, list, show and delete them. The operator delivers the messages."""

import asyncio
import base64
import json
import re
import secrets
from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from simulacra_api.dependencies import CurrentTenant, TenantRoute, problems
from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.base import LABEL_TENANT
from simulacra_crds.kube.client import CONFIGMAPS, NotFound, Object
from simulacra_crds.webhook import (
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
from simulacra_custody.audit.event import EventType
from simulacra_custody.keys.sealed_secrets import seal, unseal
from simulacra_schema.base import optional

_EXAMPLE: JsonDict = {"url": "https://hooks.example.com/simulacra", "events": ["job.ready"]}


class WebhookRequest(BaseModel, extra="forbid", json_schema_extra={"examples": [_EXAMPLE]}):
    """A URL and the events that it receives."""

    url: str = Field(max_length=MAX_URL, description="https, on the public internet.")
    events: list[EventName] = Field(default=list(EVENTS), min_length=1, max_length=len(EVENTS))


class WebhookBody(BaseModel):
    """A webhook."""

    webhook_id: str
    url: str
    events: list[EventName]
    created_at: datetime
    disabled_at: datetime | None = optional(
        "When the URL answered 410 Gone; nothing was sent since."
    )


class WebhookCreated(WebhookBody):
    """A new webhook, with its secret."""

    secret: str = Field(description="Verifies signatures (Standard Webhooks); shown only once.")


class WebhookList(BaseModel):
    """The tenant's webhooks, oldest first; 16 at most."""

    items: list[WebhookBody]


MAX_WEBHOOKS = 16
SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of Standard Webhooks
_ID = re.compile(r"[0-9a-f]{24}")


async def _all(repository: TenantRepository) -> list[Object]:
    listed = repository.cluster.list(CONFIGMAPS, repository.namespace, labels=SELECTOR)
    return [item async for item in listed]


async def _find(repository: TenantRepository, webhook_id: str) -> Object:
    """Return the object of a webhook; 404 when there is none."""
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


router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=TenantRoute)


@router.post(
    "",
    status_code=201,
    operation_id="createWebhook",
    summary="Get a message when a job ends or a secret is rotated",
    responses=problems(400, 402, 413, 415),
)
async def post_webhook(
    wanted: WebhookRequest, repository: CurrentTenant, response: Response
) -> WebhookCreated:
    """Messages follow Standard Webhooks. They hold ids and a status, never data.

    A message may arrive more than once.
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
    response.headers["Location"] = repository.url(f"/v1/webhooks/{webhook_id}")
    return WebhookCreated(**(await _body(repository, created)).model_dump(), secret=secret)


@router.get("", operation_id="listWebhooks", summary="List webhooks", responses=problems())
async def get_webhooks(repository: CurrentTenant) -> WebhookList:
    """The tenant's webhooks, without their secrets."""
    found = await _all(repository)
    found.sort(key=lambda item: (item["metadata"]["creationTimestamp"], id_of(item)))
    return WebhookList(items=[await _body(repository, item) for item in found])


@router.get(
    "/{webhook_id}", operation_id="getWebhook", summary="Get a webhook", responses=problems(404)
)
async def get_webhook(webhook_id: str, repository: CurrentTenant) -> WebhookBody:
    """A webhook, without its secret."""
    return await _body(repository, await _find(repository, webhook_id))


@router.delete(
    "/{webhook_id}",
    status_code=204,
    operation_id="deleteWebhook",
    summary="Delete a webhook",
    responses=problems(404),
)
async def remove_webhook(webhook_id: str, repository: CurrentTenant) -> Response:
    """No further message is sent; one that is being delivered may still arrive."""
    name = (await _find(repository, webhook_id))["metadata"]["name"]
    await repository.record(EventType.WEBHOOK_DELETED, kind="webhooks", uid=webhook_id)
    await repository.cluster.delete(CONFIGMAPS, name, repository.namespace)
    return Response(status_code=204)

"""Routes of webhooks: create, list, show, delete."""

from __future__ import annotations

from fastapi import APIRouter, Response

from simulacra_api.dependencies import CurrentTenant, TenantRoute, problems
from simulacra_api.webhooks.schemas import WebhookBody, WebhookCreated, WebhookList, WebhookRequest
from simulacra_api.webhooks.service import (
    create_webhook,
    delete_webhook,
    find_webhook,
    list_webhooks,
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
    created = await create_webhook(repository, wanted)
    response.headers["Location"] = repository.url(f"/v1/webhooks/{created.webhook_id}")
    return created


@router.get("", operation_id="listWebhooks", summary="List webhooks", responses=problems())
async def get_webhooks(repository: CurrentTenant) -> WebhookList:
    """The tenant's webhooks, without their secrets."""
    return await list_webhooks(repository)


@router.get(
    "/{webhook_id}", operation_id="getWebhook", summary="Get a webhook", responses=problems(404)
)
async def get_webhook(webhook_id: str, repository: CurrentTenant) -> WebhookBody:
    """A webhook, without its secret."""
    return await find_webhook(repository, webhook_id)


@router.delete(
    "/{webhook_id}",
    status_code=204,
    operation_id="deleteWebhook",
    summary="Delete a webhook",
    responses=problems(404),
)
async def remove_webhook(webhook_id: str, repository: CurrentTenant) -> Response:
    """No further message is sent; one that is being delivered may still arrive."""
    await delete_webhook(repository, webhook_id)
    return Response(status_code=204)

"""Webhooks: be told when a job ends."""

from __future__ import annotations

from fastapi import APIRouter, Response

from simulacra_api.dependencies import CurrentTenant, problems
from simulacra_api.webhooks.service import (
    WebhookBody,
    WebhookCreated,
    WebhookList,
    WebhookRequest,
    create_webhook,
    delete_webhook,
    find_webhook,
    list_webhooks,
)

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


@router.post(
    "",
    status_code=201,
    operation_id="createWebhook",
    summary="Be told when jobs end",
    responses=problems(400, 402, 413, 415),
)
async def post_webhook(
    wanted: WebhookRequest, repository: CurrentTenant, response: Response
) -> WebhookCreated:
    """Messages follow Standard Webhooks, hold ids and a status, never data, and may come more than once."""
    created = await create_webhook(repository, wanted)
    response.headers["Location"] = (
        f"{repository.services.settings.public_url}/v1/webhooks/{created.webhook_id}"
    )
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
    summary="Remove a webhook",
    responses=problems(404),
)
async def remove_webhook(webhook_id: str, repository: CurrentTenant) -> Response:
    """Nothing more is sent, but what is on its way may still arrive."""
    await delete_webhook(repository, webhook_id)
    return Response(status_code=204)

"""Bodies of webhooks."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from simulacra_crds.webhook import EVENTS, MAX_URL, EventName
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

"""The tenant itself: usage, audit trail, credentials, webhooks."""

from __future__ import annotations

from simulacra.core import Ask, Steps, ask
from simulacra.models import Document, Json, Usage
from simulacra.operations.common import get_one, pages


def usage() -> Steps[Usage]:
    """Return what is used of the quotas."""
    return get_one("/v1/usage", Usage)


def audit_events(**filters: str) -> Steps[list[Document]]:
    """List who did what to the tenant's data, newest first. Filters: type."""
    return pages("/v1/audit-events", filters, Document)


def webhooks() -> Steps[list[Document]]:
    """List the tenant's webhooks, without their secrets."""
    return [Document(one) for one in (yield from ask(Ask("GET", "/v1/webhooks"))).json()["items"]]


def create_webhook(url: str, events: list[str] | None = None) -> Steps[Document]:
    """Be told at a URL when jobs end; the answer's `secret` is shown this once."""
    body: Json = {"url": url} | ({} if events is None else {"events": events})
    return Document(
        (yield from ask(Ask("POST", "/v1/webhooks", json=body, repeatable=False))).json()
    )


def delete_webhook(webhook_id: str) -> Steps[None]:
    """Send nothing more to a webhook."""
    yield from ask(Ask("DELETE", f"/v1/webhooks/{webhook_id}"))


def rotate_credentials(overlap_seconds: int | None = None) -> Steps[Document]:
    """Make a new client secret and return it, this once; the one before stays good for the overlap."""
    body = {} if overlap_seconds is None else {"overlap_seconds": overlap_seconds}
    asked = (
        yield from ask(Ask("POST", "/v1/credential-rotations", json=body, repeatable=False))
    ).json()
    claim = {"credential_claim_token": asked["credential_claim_token"]}
    return Document(
        (yield from ask(Ask("POST", "/v1/credential-claims", json=claim, repeatable=False))).json()
    )

"""The tenant's account: usage, audit events, support access, webhooks, credentials, error codes;
and proof of erasure: certificates, audit checkpoints and the published keys that sign them.
"""

from __future__ import annotations

from simulacra.core import Request, Steps, send
from simulacra.models import Document, Json, Usage
from simulacra.operations.resources import get_all, get_one


def usage() -> Steps[Usage]:
    """Return the used part of the tenant's quotas."""
    return get_one("/v1/usage", Usage)


def audit_events(**filters: str) -> Steps[list[Document]]:
    """List who did what to the tenant's data, newest first. Filters: type, support_id, reads.

    `reads="false"` leaves out reads of content, so what changed stands alone.
    """
    return get_all("/v1/audit-events", filters, Document)


def audit_page(cursor: str | None = None, **filters: str) -> Steps[Document]:
    """Return a page of events, oldest first (`items`), and where the next begins (`resume_cursor`).

    Filters: type; format, which is `ocsf` for a SIEM. `next_cursor` is None after the last page for
    now. `events_skipped` says that events after the cursor were pruned before they were read.
    """
    query = {"order": "oldest", "limit": "100", **filters}
    if cursor is not None:
        query["cursor"] = cursor
    response = yield from send(Request("GET", "/v1/audit-events", params=query))
    return Document(response.json())


def support_access() -> Steps[list[Document]]:
    """List who of the operator reads, or read, status and audit events, newest first."""
    response = yield from send(Request("GET", "/v1/support-access"))
    return [Document(one) for one in response.json()["items"]]


def explain(code: str) -> Steps[Document]:
    """Return what an error code means and what to do about it."""
    return get_one(f"/errors/{code}", Document)


def webhooks() -> Steps[list[Document]]:
    """List the tenant's webhooks, without their secrets."""
    response = yield from send(Request("GET", "/v1/webhooks"))
    return [Document(one) for one in response.json()["items"]]


def create_webhook(url: str, events: list[str] | None = None) -> Steps[Document]:
    """Call a URL when jobs end. The `secret` of the answer is shown only once."""
    body: Json = {"url": url} | ({} if events is None else {"events": events})
    return (yield from _post_once("/v1/webhooks", body))


def delete_webhook(webhook_id: str) -> Steps[None]:
    """Delete a webhook: nothing more is sent to it."""
    yield from send(Request("DELETE", f"/v1/webhooks/{webhook_id}"))


def rotate_credentials(client_secret: str, overlap_seconds: int | None = None) -> Steps[Document]:
    """Make a new client secret and return it; the present one proves that it may end early."""
    body: Json = {"client_secret": client_secret}
    if overlap_seconds is not None:
        body["overlap_seconds"] = overlap_seconds
    rotation = yield from _post_once("/v1/credential-rotations", body)
    claim = {"credential_claim_token": rotation["credential_claim_token"]}
    return (yield from _post_once("/v1/credential-claims", claim))


def console_link() -> Steps[Document]:
    """Return a link (`url`) that signs a browser in to the console, once, within 5 minutes.

    The session ends with the access token of this client, an hour after it was issued at the
    latest. Keep the link to yourself until it is used.
    """
    return (yield from _post_once("/console/login-codes", {}))


def erasure_certificate(resource: str) -> Steps[Document]:
    """Return the signed certificate of an erasure, by the resource's id or uid.

    Raises:
        ApiError: 404 until the erasure is complete.
    """
    return get_one(f"/v1/erasure-certificates/{resource}", Document)


def erasure_certificates() -> Steps[list[Document]]:
    """List the tenant's erasures of the last 400 days, newest first; each has a certificate."""
    return get_all("/v1/erasure-certificates", {}, Document)


def audit_checkpoint() -> Steps[str]:
    """Return the newest signed checkpoint of the audit log.

    Keep it: it shows later whether the log was cut.
    """
    return (yield from send(Request("GET", "/.well-known/simulacra-checkpoint"))).text


def live_keys_root() -> Steps[Document]:
    """Return the newest signed root of the live data keys, under which absence proofs are made."""
    return get_one("/.well-known/simulacra-live-keys.json", Document)


def published_keys() -> Steps[Document]:
    """Return the public keys of certificates and audit checkpoints. Keep a copy."""
    return get_one("/.well-known/simulacra-keys.json", Document)


def trust_package() -> Steps[bytes]:
    """Return the trust package of the installation, a zip archive.

    It has the claims with the tests that hold them, control mappings, answers and annexes.
    """
    return (yield from send(Request("GET", "/trust/package.zip"))).content


def _post_once(path: str, body: Json) -> Steps[Document]:
    return Document((yield from send(Request("POST", path, json=body, repeatable=False))).json())

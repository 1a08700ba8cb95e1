"""Routes of the built-in issuer: token endpoint (RFC 6749), key set and discovery document."""

import asyncio
import base64
import json
import time
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from simulacra_api.auth import tokens
from simulacra_api.dependencies import problems
from simulacra_api.docs.examples import AUDIENCE
from simulacra_api.http.problems import Problem, content_type
from simulacra_api.services import ServicesDep
from simulacra_custody.audit.event import AuditData, EventType, Outcome


def _refuse(code: str, error: str, detail: str) -> Problem:
    """Return a refusal with OAuth's fields (RFC 6749, section 5.2)."""
    headers = {"WWW-Authenticate": 'Basic realm="simulacra"'} if error == "invalid_client" else {}
    extra = {"error": error, "error_description": detail}
    return Problem(code, detail, headers=headers, extra=extra)


def _invalid_client(detail: str) -> Problem:
    """Return the 401 of an unknown client, a wrong secret or a malformed header."""
    return _refuse("simio_invalid_client", "invalid_client", detail)


async def _token_fields(request: Request) -> dict[str, Any]:
    """Return the fields of a form or of a JSON object."""
    media_type = content_type(request)
    body = await request.body()
    if media_type == "application/json":
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            detail = "The body is not a JSON object."
            raise _refuse("simio_invalid_field", "invalid_request", detail)
        return fields
    if media_type == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    detail = "Send application/x-www-form-urlencoded or application/json."
    raise Problem("simio_unsupported_content_type", detail)


def _token_credentials(request: Request, fields: dict[str, Any]) -> tuple[str, str]:
    """Return client id and secret from the Authorization header (RFC 6749, 2.3.1) or the body."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        if "client_secret" in fields:
            detail = "Send client_secret in the header or in the body, not in both."
            raise _refuse("simio_invalid_field", "invalid_request", detail)
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:  # no base64, not ASCII, or no UTF-8 inside
            raise _invalid_client("The Authorization header is malformed.") from None
        return unquote_plus(client_id), unquote_plus(secret)
    posted = fields.get("client_id"), fields.get("client_secret")
    if not isinstance(posted[0], str) or not isinstance(posted[1], str):
        raise _invalid_client("client_id and client_secret are required.")
    return posted[0], posted[1]


router = APIRouter(tags=["oauth"])
REFUSAL_SECONDS = 0.25
"""Earliest answer to a wrong secret: longer than its check and its record take."""


class TokenBody(BaseModel):
    """A token (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a scheme
    expires_in: int = Field(description="Seconds.")


_FORM_SCHEMA = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"type": "string", "enum": ["client_credentials"]},
        "client_id": {"type": "string"},
        "client_secret": {"type": "string", "format": "password"},
        "audience": {"type": "string", "enum": [AUDIENCE]},
    },
}


@router.post(
    "/oauth/token",
    operation_id="issueToken",
    summary="Get an access token",
    responses=problems(400, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {"schema": _FORM_SCHEMA},
                "application/json": {"schema": _FORM_SCHEMA},
            },
        }
    },
)
async def issue_token(request: Request, services: ServicesDep) -> TokenBody:
    """OAuth2 client credentials with an audience.

    Send the secret in the body (client_secret_post, JSON or form) or as client_secret_basic.
    """
    fields = await _token_fields(request)
    client_id, secret = _token_credentials(request, fields)
    if fields.get("grant_type") != "client_credentials":
        detail = "grant_type must be client_credentials."
        raise _refuse("simio_invalid_field", "unsupported_grant_type", detail)
    audience = services.settings.audience
    if fields.get("audience", audience) != audience:
        raise _refuse("simio_invalid_field", "invalid_target", f"audience must be {audience}.")
    issued = await _issued_at(request, services, client_id, secret)
    await _check_tenant(request, services, client_id)
    token = tokens.issue(
        await services.signing.current(),
        issuer=services.settings.public_url,
        audience=audience,
        client_id=client_id,
        issued=issued,
        expires=issued + services.settings.token_seconds,
    )
    return TokenBody(access_token=token, expires_in=services.settings.token_seconds)


async def _issued_at(request: Request, services: ServicesDep, client_id: str, secret: str) -> int:
    """Return the `iat` of the client's token, or refuse the secret.

    The refusal is the same for a wrong secret and an unknown client, also in time. Only the former
    is on record, so unknown clients cannot flood the audit log.
    """
    earliest = time.monotonic() + REFUSAL_SECONDS
    address = request.client.host if request.client else ""
    attempt = services.attempts.begin(client_id, address)
    known, issued = await services.clients.authenticate(client_id, secret)
    if issued is not None:
        services.attempts.succeeded(attempt)
        return issued
    if known:
        await _record_refusal(request, services, client_id)
    await asyncio.sleep(max(0.0, earliest - time.monotonic()))
    raise _invalid_client("Unknown client_id or wrong client_secret.")


async def _record_refusal(request: Request, services: ServicesDep, client_id: str) -> None:
    tenants = await services.tenants.listing(client_id)
    tenant = tenants[0].metadata.name if len(tenants) == 1 else None
    data = AuditData(
        client=client_id, request=request.state.request_id, tenant=tenant, outcome=Outcome.REFUSED
    )
    await services.record(EventType.TOKEN_REFUSED, data)


async def _check_tenant(request: Request, services: ServicesDep, client_id: str) -> None:
    """Refuse a client without an active tenant; record both outcomes."""
    data = AuditData(client=client_id, request=request.state.request_id)
    request.state.client = client_id
    try:
        tenant = (await services.tenants.of_client(client_id)).metadata.name
    except Problem:
        refused = data.model_copy(update={"outcome": Outcome.REFUSED})
        await services.record(EventType.TOKEN_REFUSED, refused)
        raise
    request.state.tenant = tenant
    await services.record(EventType.TOKEN_ISSUED, data.model_copy(update={"tenant": tenant}))


@router.get(
    "/.well-known/jwks.json", operation_id="getJwks", summary="Public keys of the built-in issuer"
)
async def jwks(services: ServicesDep) -> dict[str, Any]:
    """JSON Web Key Set: the active key, the next one, and retired ones that still verify."""
    return (await services.signing.current()).jwks()


@router.get(
    "/.well-known/openid-configuration", operation_id="getIssuerMetadata", summary="Issuer metadata"
)
async def metadata(services: ServicesDep) -> dict[str, Any]:
    """Discovery document (RFC 8414)."""
    base = services.settings.public_url
    return {
        "issuer": base,
        "token_endpoint": f"{base}/oauth/token",
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "id_token_signing_alg_values_supported": tokens.ALGORITHMS,
        "subject_types_supported": ["public"],
    }

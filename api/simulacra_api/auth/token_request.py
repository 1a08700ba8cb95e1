"""Requests of the token endpoint: fields, credentials, and refusals with OAuth's fields."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import Request

from simulacra_api.http.problems import Problem, content_type


def refuse(code: str, error: str, detail: str) -> Problem:
    """Return a refusal with OAuth's fields (RFC 6749, section 5.2)."""
    headers = {"WWW-Authenticate": 'Basic realm="simulacra"'} if error == "invalid_client" else {}
    extra = {"error": error, "error_description": detail}
    return Problem(code, detail, headers=headers, extra=extra)


def invalid_client(detail: str) -> Problem:
    """Return the 401 of an unknown client, a wrong secret or a malformed header."""
    return refuse("simio_invalid_client", "invalid_client", detail)


async def token_fields(request: Request) -> dict[str, Any]:
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
            raise refuse("simio_invalid_field", "invalid_request", detail)
        return fields
    if media_type == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    detail = "Send application/x-www-form-urlencoded or application/json."
    raise Problem("simio_unsupported_content_type", detail)


def token_credentials(request: Request, fields: dict[str, Any]) -> tuple[str, str]:
    """Return client id and secret from the Authorization header (RFC 6749, 2.3.1) or the body."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        if "client_secret" in fields:
            detail = "Send client_secret in the header or in the body, not in both."
            raise refuse("simio_invalid_field", "invalid_request", detail)
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:  # no base64, not ASCII, or no UTF-8 inside
            raise invalid_client("The Authorization header is malformed.") from None
        return unquote_plus(client_id), unquote_plus(secret)
    posted = fields.get("client_id"), fields.get("client_secret")
    if not isinstance(posted[0], str) or not isinstance(posted[1], str):
        raise invalid_client("client_id and client_secret are required.")
    return posted[0], posted[1]

"""Sends one message as Standard Webhooks says (https://www.standardwebhooks.com), and only to where it may go.

The host name is resolved here and the connection made to the very address that was checked, so that a name cannot
point somewhere else a moment later; redirects are not followed, proxies of the environment not used, and the answer is
not read beyond its status.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
import time
from urllib.parse import urlsplit, urlunsplit

import httpx2

from simulacra_crds.webhook import WebhookTarget, check_url, is_public

TIMEOUT_S = 10.0
NO_ANSWER = 0


class Forbidden(Exception):
    """The address is none that a webhook may have."""


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature header, version 1: HMAC-SHA256 over id, time and body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


async def send(target: WebhookTarget, message_id: str, body: bytes, *, allow_private: bool) -> int:
    """Send a message; return the HTTP status of the answer, 0 when there was none in ten seconds.

    Raises:
        Forbidden: the address must not be called.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _post(target, message_id, body, allow_private)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError):  # UnicodeError: no name that DNS knows
        return NO_ANSWER


async def _post(target: WebhookTarget, message_id: str, body: bytes, allow_private: bool) -> int:
    try:
        check_url(target.url, allow_private=allow_private)
    except ValueError as error:
        raise Forbidden from error
    parts = urlsplit(target.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    address = await _resolve(host, port, allow_private)
    pinned = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    timestamp = int(time.time())
    headers = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "User-Agent": "simulacra-webhooks",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(target.secret, message_id, timestamp, body),
    }
    async with httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as http:
        url = urlunsplit(parts._replace(netloc=pinned))
        call = http.stream("POST", url, content=body, headers=headers, extensions={"sni_hostname": host})
        async with call as answer:
            return answer.status_code


async def _resolve(host: str, port: int, allow_private: bool) -> str:
    """Return an address of a host, of which all are public."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_private and not all(is_public(address) for address in addresses):
        raise Forbidden
    return addresses[0]

"""Sends one message as a Standard Webhook (https://www.standardwebhooks.com), if allowed.

The host name is resolved here and the connection goes to the address that was checked, so that a
name cannot point elsewhere a moment later. Redirects are not followed, the environment's proxies
are not used, and of the response only the status is read.
"""

import asyncio
import base64
import hashlib
import hmac
import socket
import time
from urllib.parse import urlsplit, urlunsplit

import httpx2

from simulacra_crds.public_address import is_public
from simulacra_crds.webhook import WebhookTarget, check_url

TIMEOUT_S = 10.0
NO_RESPONSE = 0


class Forbidden(Exception):
    """A webhook may not have this address."""


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature header, version 1: HMAC-SHA256 over id, time and body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


async def send(target: WebhookTarget, message_id: str, body: bytes, *, allow_private: bool) -> int:
    """Send a message; return the HTTP status, 0 without a response within ten seconds.

    Raises:
        Forbidden: the address is not allowed.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _post(target, message_id, body, allow_private)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError):  # no valid DNS name
        return NO_RESPONSE


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
    url, tls = urlunsplit(parts._replace(netloc=pinned)), {"sni_hostname": host}
    client = httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)
    async with client as http:
        call = http.stream("POST", url, content=body, headers=headers, extensions=tls)
        async with call as response:
            return response.status_code


async def _resolve(host: str, port: int, allow_private: bool) -> str:
    """Return an address of a host; raise Forbidden unless all of them are allowed."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_private and not all(is_public(address) for address in addresses):
        raise Forbidden
    return addresses[0]

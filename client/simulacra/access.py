"""From a request for access to credentials: the only calls that need no token."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx2

from simulacra.connection import Connection
from simulacra.documents import Document
from simulacra.errors import ApiError
from simulacra.protocol import AWAY_SECONDS, Patience, checked, pause_before

POLL_SECONDS = 2.0
TIMEOUT = 30.0


def request_access(api_url: str, company: str, contact: str) -> Document:
    """Ask for access; keep the answer's `request_id` secret, since it leads to the credentials."""
    return _call("POST", api_url, "/v1/signup", {"company": company, "contact": contact})


def access_request(api_url: str, request_id: str) -> Document:
    """Return a request for access: pending, denied, or approved with a claim token that is good for one use."""
    return _call("GET", api_url, f"/v1/signup/{request_id}")


def claim_credentials(api_url: str, request_id: str, *, timeout: float = 0.0) -> Connection:
    """Exchange an approved request for credentials, once: the secret is in the returned connection and nowhere else.

    Args:
        api_url: where the service is.
        request_id: as `request_access` returned it.
        timeout: how many seconds to wait for the decision; a service that is away meanwhile is waited for as well.

    Raises:
        PermissionError: the request was denied, was claimed before, or has expired.
        TimeoutError: nobody has decided yet.
        ApiError: the claim token was used already, among others.
    """
    found = _decided(api_url, request_id, timeout)
    if found.status != "approved":
        raise PermissionError(f"the request is {found.status}: ask for access again")
    token = {"credential_claim_token": found.credential_claim_token}
    made = _call("POST", api_url, "/v1/credential-claims", token)
    return Connection(api_url, made.token_url, made.client_id, made.client_secret, made.audience)


def _decided(api_url: str, request_id: str, timeout: float) -> Document:
    deadline, patience, failures = time.monotonic() + timeout, Patience(AWAY_SECONDS), 0
    while True:
        try:
            found = access_request(api_url, request_id)
        except (httpx2.TransportError, ApiError) as error:
            if not patience.left(error) or time.monotonic() >= deadline:
                raise
            failures += 1
        else:
            patience, failures = Patience(AWAY_SECONDS), 0
            if found.status != "pending":
                return found
            if time.monotonic() >= deadline:
                raise TimeoutError("nobody has decided about the request yet; try again later")
        time.sleep(POLL_SECONDS if not failures else pause_before(None, failures))


def save_connection(connection: Connection, path: Path) -> None:
    """Write a connection.json that only this user can read; a file that is there is not replaced.

    Raises:
        FileExistsError: there is a file of this name.
    """
    with place_for_connection(path) as save:
        save(connection)


@contextmanager
def place_for_connection(path: Path) -> Iterator[Callable[[Connection], None]]:
    """Make the file of a connection that only this user can read, and yield what writes it; it is gone if that fails.

    Credentials are shown once: whoever claims them has a place for them first.

    Raises:
        FileExistsError, FileNotFoundError, PermissionError: there can be no new file of this name.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        try:
            yield lambda connection: json.dump(asdict(connection), file, indent=2)
        except BaseException:
            path.unlink()
            raise


def _call(method: str, api_url: str, path: str, body: dict[str, Any] | None = None) -> Document:
    with httpx2.Client(base_url=api_url, timeout=TIMEOUT) as http:
        return Document(checked(http.request(method, path, json=body)).json())

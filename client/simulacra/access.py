"""From a request for access to credentials: the only calls that need no token."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import repeat
from pathlib import Path
from typing import TypeVar

import httpx2

from simulacra.client import run
from simulacra.connection import Connection
from simulacra.core import AWAY_SECONDS, Request, Steps, poll, response_of, send, send_once
from simulacra.models import Document

POLL_SECONDS = 2.0
TIMEOUT = 30.0
T = TypeVar("T")


def request_access(api_url: str, company: str, contact: str) -> Document:
    """Request access. Keep the `request_id` of the answer secret: it leads to the credentials."""
    return _run(api_url, _post("/v1/signup", {"company": company, "contact": contact}))


def access_request(api_url: str, request_id: str) -> Document:
    """Return a request for access: pending, denied, or approved with a one-time claim token."""
    return _run(api_url, _access_request(request_id))


def claim_credentials(api_url: str, request_id: str, *, timeout: float = 0.0) -> Connection:
    """Exchange an approved request for credentials, once.

    The secret is in the returned connection and nowhere else.

    Args:
        api_url: where the service is.
        request_id: as `request_access` returned it.
        timeout: how many seconds to wait for the decision, also while the service is away.

    Raises:
        PermissionError: the request was denied, was claimed before, or has expired.
        TimeoutError: there is no decision yet.
        ApiError: the service refused, for example because the claim token was used already.
    """
    made = _run(api_url, _claim(request_id, timeout))
    return Connection(api_url, made.token_url, made.client_id, made.client_secret, made.audience)


def _claim(request_id: str, timeout: float) -> Steps[Document]:
    def look(left: float) -> Steps[Document | None]:
        found = yield from _access_request(request_id, away=min(AWAY_SECONDS, max(left, 0.0)))
        if found.status != "pending":
            return found
        if left <= 0:
            raise TimeoutError("There is no decision about the request yet. Try again later.")
        return None

    found = yield from poll(look, timeout, repeat(POLL_SECONDS))
    if found.status != "approved":
        raise PermissionError(f"The request is {found.status}. Request access again.")
    token = {"credential_claim_token": found.credential_claim_token}
    return (yield from _post("/v1/credential-claims", token))


def _access_request(request_id: str, away: float = 0.0) -> Steps[Document]:
    request = Request("GET", f"/v1/signup/{request_id}")
    return Document((yield from send(request, away=away)).json())


def _post(path: str, body: dict[str, str]) -> Steps[Document]:
    return Document(response_of((yield from send_once(Request("POST", path, json=body)))).json())


def _run(api_url: str, steps: Steps[T]) -> T:
    with httpx2.Client(base_url=api_url, timeout=TIMEOUT) as http:
        return run(http, steps)


@contextmanager
def new_connection_file(path: Path) -> Iterator[Callable[[Connection], None]]:
    """Make a connection.json that only this user can read; yield the function that writes it.

    Make the file before you claim credentials, because they are shown once. It is removed if the
    body fails.

    Raises:
        FileExistsError, FileNotFoundError, PermissionError: the file cannot be made.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        try:
            yield lambda connection: json.dump(asdict(connection), file, indent=2)
        except BaseException:
            path.unlink()
            raise

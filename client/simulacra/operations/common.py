"""What the operations share: one document, a paged list, a deletion, an id that tells its kind, a key."""

from __future__ import annotations

import re
import uuid
from time import monotonic
from typing import TypeVar

import httpx2

from simulacra.documents import Dataset, Document, Effect, Generation, Job
from simulacra.errors import ApiError
from simulacra.protocol import AWAY_SECONDS, Ask, OnAway, Pause, Steps, ask, in_words, is_away

KINDS: dict[str, tuple[str, type[Document]]] = {
    "ds-": ("datasets", Dataset),
    "gen-": ("generations", Generation),
    "eff-": ("effects", Effect),
    "job-": ("jobs", Job),
}
"""Prefix of an id -> where the resource is, and what it is read as."""
_KEY = re.compile(r"[!-~]{1,255}")
D = TypeVar("D", bound=Document)


def get_one(path: str, kind: type[D]) -> Steps[D]:
    """Return what is at a path."""
    return kind((yield from ask(Ask("GET", path))).json())


def pages(path: str, filters: dict[str, str], kind: type[D]) -> Steps[list[D]]:
    """Return all pages of a list."""
    items: list[D] = []
    query = {**filters, "limit": "100"}
    while True:
        page = (yield from ask(Ask("GET", path, params=dict(query)))).json()
        items += [kind(one) for one in page["items"]]
        if page.get("next_cursor") is None:
            return items
        query["cursor"] = page["next_cursor"]


def look(path: str, what: str, *, away: float, on_away: OnAway | None = None) -> Steps[httpx2.Response]:
    """Ask how far something is; a service that is away is waited for, for so many seconds.

    Raises:
        TimeoutError: it has not answered; the sentence says what was waited for, and that this goes on.
        ApiError: it refused.
    """
    began = monotonic()
    try:
        return (yield from ask(Ask("GET", path), away=max(away, 0.0), on_away=on_away))
    except (httpx2.TransportError, ApiError) as error:
        if not is_away(error):
            raise
        silent = f"the service has not answered for {monotonic() - began:.0f} s ({in_words(error)})"
        raise TimeoutError(f"{what}: {silent}. It goes on: wait for it again") from error


def delete_at(path: str, timeout: float) -> Steps[None]:
    """Delete what is at a path and wait until it is gone."""
    deadline, begun, what = monotonic() + timeout, False, f"the erasure of {path.rpartition('/')[2]}"

    def unanswered(_: str, __: float) -> None:
        nonlocal begun
        begun = True

    try:
        response = yield from ask(Ask("DELETE", path), on_away=unanswered)
        while response.status_code != 204:
            begun = True
            yield Pause(0.5)
            left = deadline - monotonic()
            response = yield from look(path, what, away=min(AWAY_SECONDS, left))
            if left < 0:
                raise TimeoutError(f"{what} has not ended after {timeout:.0f} s. It goes on: delete it again to wait")
    except ApiError as error:
        if error.status != 404 or not begun:
            raise


def path_of(resource_id: str, prefixes: tuple[str, ...]) -> str:
    """Return where a resource is, told by its id; ValueError names the ids that would do."""
    prefix = next((one for one in prefixes if resource_id.startswith(one)), None)
    if prefix is None:
        kinds = " or ".join(f"{KINDS[one][0][:-1]}_id ({one}...)" for one in prefixes)
        raise ValueError(f"{resource_id}: give a {kinds}")
    return f"/v1/{KINDS[prefix][0]}/{resource_id}"


def new_key(key: str | None) -> dict[str, str]:
    """Return the header of an Idempotency-Key; of a new one when absent. ValueError says what one may be."""
    if key and not _KEY.fullmatch(key):
        raise ValueError("key: give 1 to 255 visible ASCII characters without spaces, a UUID for example")
    return {"Idempotency-Key": key or uuid.uuid4().hex}

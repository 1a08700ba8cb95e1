"""What the operations share: one document, a paged list, a deletion, an id that tells its kind, a key."""

from __future__ import annotations

import time
import uuid
from typing import TypeVar

from simulacra.documents import Dataset, Document, Effect, Generation, Job
from simulacra.protocol import Ask, Pause, Steps, ask

KINDS: dict[str, tuple[str, type[Document]]] = {
    "ds-": ("datasets", Dataset),
    "gen-": ("generations", Generation),
    "eff-": ("effects", Effect),
    "job-": ("jobs", Job),
}
"""Prefix of an id -> where the resource is, and what it is read as."""
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


def delete_at(path: str, timeout: float) -> Steps[None]:
    """Delete what is at a path and wait until it is gone."""
    deadline = time.monotonic() + timeout
    response = yield from ask(Ask("DELETE", path))
    while response.status_code != 204:
        yield Pause(0.5)
        response = yield Ask("GET", path)
        if response.status_code == 404:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"the service is still erasing after {timeout:.0f} s")


def path_of(resource_id: str, prefixes: tuple[str, ...]) -> str:
    """Return where a resource is, told by its id; ValueError names the ids that would do."""
    prefix = next((one for one in prefixes if resource_id.startswith(one)), None)
    if prefix is None:
        kinds = " or ".join(f"{KINDS[one][0][:-1]}_id ({one}...)" for one in prefixes)
        raise ValueError(f"{resource_id}: give a {kinds}")
    return f"/v1/{KINDS[prefix][0]}/{resource_id}"


def new_key(key: str | None) -> dict[str, str]:
    """Return the header of an Idempotency-Key; of a new one when absent."""
    return {"Idempotency-Key": key or uuid.uuid4().hex}

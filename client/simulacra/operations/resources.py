"""Operations on a resource of any kind: get, list, report, delete."""

from __future__ import annotations

import re
import uuid
from itertools import repeat
from time import monotonic
from typing import Any, NamedTuple, TypeVar

import httpx2

from simulacra.core import (
    AWAY_SECONDS,
    OnAway,
    Pause,
    Request,
    Steps,
    in_words,
    is_away,
    poll,
    send,
)
from simulacra.effect import Effect
from simulacra.errors import ApiError
from simulacra.models import Dataset, Document, Generation, Job, Json, Report
from simulacra.segment import Segment
from simulacra.sheet import Sheet


class Kind(NamedTuple):
    """What the client knows of a kind of resource.

    Attributes:
        collection: part of its path.
        document: type of the service's answer.
        work: what its job does, beside its bar.
        ask: method of a client that asks for one; a model's has no `ask_`.
    """

    collection: str
    document: type[Document]
    work: str = "working"
    ask: str = ""

    @property
    def noun(self) -> str:
        """One of the collection, as a job and the fields of ids name it."""
        return self.collection.removesuffix("s")


KINDS = {
    "ds-": Kind("datasets", Dataset, "fitting"),
    "gen-": Kind("generations", Generation, "generating"),
    "eff-": Kind("effects", Effect, "estimating", "estimate"),
    "seg-": Kind("segments", Segment, "certifying", "boost"),
    "sht-": Kind("sheets", Sheet, "comparing", "ask_sheet"),
    "job-": Kind("jobs", Job),
}
"""By the prefix of their ids."""
NOUNS = {kind.noun: kind for kind in KINDS.values()}
"""The same by the kind of a job."""
ERASABLE = tuple(prefix for prefix in KINDS if prefix != "job-")
"""Prefixes of what a job makes, and what can be deleted."""
_KEY = re.compile(r"[!-~]{1,255}")
D = TypeVar("D", bound=Document)


def get(resource_id: str) -> Steps[Document]:
    """Return a dataset, a generation, an estimate or a job by its id."""
    path = path_of(resource_id, tuple(KINDS))
    kind = next(kind for prefix, kind in KINDS.items() if resource_id.startswith(prefix))
    return get_one(path, kind.document)


def report(resource_id: str) -> Steps[Report]:
    """Return the fidelity and privacy report of a dataset's model or of a generation.

    That of a generation also compares the requested with the attained conditions.
    """
    return get_one(f"{path_of(resource_id, ('ds-', 'gen-'))}/report", Report)


def report_page(resource_id: str) -> Steps[str]:
    """Return the same report as one self-contained HTML page."""
    path = f"{path_of(resource_id, ('ds-', 'gen-'))}/report"
    return (yield from send(Request("GET", path, headers={"Accept": "text/html"}))).text


def delete(resource_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete a dataset (ds-), a generation (gen-) or an estimate (eff-, seg-, sht-)."""
    return delete_at(path_of(resource_id, ERASABLE), timeout)


def start(kind: type[D], dataset_id: str, body: Json, key: str | None) -> Steps[D]:
    """Send a question to a dataset, or a request for rows; return its id and job_id."""
    collection = next(one.collection for one in KINDS.values() if one.document is kind)
    path = f"/v1/datasets/{dataset_id}/{collection}"
    request = Request("POST", path, json=body, headers=key_header(key))
    return kind((yield from send(request)).json())


def given(**fields: Any) -> Json:
    """Return the fields of a body that are given: neither None nor False nor empty."""
    return {
        name: value
        for name, value in fields.items()
        if value is not None and value is not False and value not in ([], {})
    }


def get_one(path: str, kind: type[D]) -> Steps[D]:
    """Return the document at a path."""
    return kind((yield from send(Request("GET", path))).json())


def get_all(path: str, filters: dict[str, str], kind: type[D]) -> Steps[list[D]]:
    """Return all pages of a list."""
    items: list[D] = []
    query = {**filters, "limit": "100"}
    while True:
        page = (yield from send(Request("GET", path, params=dict(query)))).json()
        items += [kind(one) for one in page["items"]]
        if page.get("next_cursor") is None:
            return items
        query["cursor"] = page["next_cursor"]


def get_state(
    path: str, what: str, *, away: float, on_away: OnAway | None = None
) -> Steps[httpx2.Response]:
    """Return the state of work in progress; retry a service that is away for up to `away` seconds.

    Raises:
        TimeoutError: the service did not answer; the message begins with `what`.
        ApiError: the service refused.
    """
    began = monotonic()
    try:
        return (yield from send(Request("GET", path), away=max(away, 0.0), on_away=on_away))
    except (httpx2.TransportError, ApiError) as error:
        if not is_away(error):
            raise
        silent = f"the service has not answered for {monotonic() - began:.0f} s ({in_words(error)})"
        raise TimeoutError(f"{what}: {silent}. The work continues: wait for it again.") from error


def delete_at(path: str, timeout: float) -> Steps[None]:
    """Delete the resource at a path and wait until it is erased."""
    deadline = monotonic() + timeout
    what = f"the erasure of {path.rpartition('/')[2]}"
    lost: list[str] = []  # requests without an answer: one of them may have deleted it

    def look(left: float) -> Steps[bool | None]:
        try:
            yield from get_state(path, what, away=min(AWAY_SECONDS, left))
        except ApiError as error:
            if error.status == 404:
                return True
            raise
        if left <= 0:
            not_ended = f"{what} has not ended after {timeout:.0f} s"
            raise TimeoutError(f"{not_ended}. It continues: delete it again to wait for it.")
        return None

    try:
        deletion = Request("DELETE", path)
        response = yield from send(deletion, on_away=lambda failure, _: lost.append(failure))
    except ApiError as error:
        if error.status == 404 and lost:
            return
        raise
    if response.status_code != 204:
        yield Pause(0.5)
        yield from poll(look, deadline - monotonic(), repeat(0.5))


def path_of(resource_id: str, prefixes: tuple[str, ...]) -> str:
    """Return the path of a resource by its id; ValueError names the accepted ids."""
    prefix = next((one for one in prefixes if resource_id.startswith(one)), None)
    if prefix is None:
        kinds = " or ".join(f"{KINDS[one].noun}_id ({one}...)" for one in prefixes)
        raise ValueError(f"{resource_id}: give a {kinds}")
    return f"/v1/{KINDS[prefix].collection}/{resource_id}"


def key_header(key: str | None) -> dict[str, str]:
    """Return the header of an Idempotency-Key, or of a new one; ValueError says what is valid."""
    if key and not _KEY.fullmatch(key):
        raise ValueError(
            "key: give 1 to 255 visible ASCII characters without spaces, for example a UUID"
        )
    return {"Idempotency-Key": key or uuid.uuid4().hex}

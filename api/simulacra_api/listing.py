"""Lists: newest first, in pages that a cursor leads through.

The cursor is the place of the last item (when it was made, and its name), so it stays good while items come and go,
and needs no memory between two calls. The control plane keeps objects by name, and names are digests here: a page
reads all of a tenant's objects of a kind, which are few and small.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlencode

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from simulacra_api.problems import invalid_field
from simulacra_api.resources import Library, Work
from simulacra_crds.base import utcnow

W = TypeVar("W", bound=Work)
Place = tuple[datetime, str]


class ListQuery(BaseModel):
    """What every list takes."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=100, description="Items a page.")
    cursor: str | None = Field(
        default=None, max_length=256, description="`next_cursor` of the page before; opaque, good for the same filters."
    )


class Page(BaseModel):
    """What every list answers, besides its items."""

    next_cursor: str | None = Field(default=None, description="Absent on the last page; also as `Link: rel=next`.")


def place_of(work: Work) -> Place:
    """Return where a resource stands in a list."""
    return work.metadata.creation_timestamp or utcnow(), work.metadata.name


def page_of(works: Sequence[W], query: ListQuery, keep: Callable[[W], bool]) -> tuple[list[W], str | None]:
    """Return the page that is asked for and the cursor of the next one.

    Raises:
        Problem: 400 for a cursor that no page gave out.
    """
    after = None if query.cursor is None else _decode(query.cursor)
    ordered = sorted((work for work in works if keep(work)), key=place_of, reverse=True)
    rest = ordered if after is None else [work for work in ordered if place_of(work) < after]
    page = rest[: query.limit]
    return page, _encode(place_of(page[-1])) if len(rest) > query.limit else None


def link_next(library: Library, response: Response, path: str, query: ListQuery, cursor: str | None) -> None:
    """Put `Link: rel=next` (RFC 8288) on the answer where there is a next page."""
    if cursor is not None:
        given = query.model_dump(exclude_none=True, exclude={"cursor"}, mode="json")
        target = f"{library.rooms.settings.public_url}{path}?{urlencode(given | {'cursor': cursor})}"
        response.headers["Link"] = f'<{target}>; rel="next"'


def _encode(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place[0].isoformat()}|{place[1]}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> Place:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        made, _, name = text.partition("|")
        return datetime.fromisoformat(made).astimezone(), name
    except (ValueError, binascii.Error, OverflowError):
        raise invalid_field("/cursor", "give next_cursor of an earlier page, or none for the first page") from None

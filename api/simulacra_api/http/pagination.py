"""Cursor pagination: lists newest first, a page at a time.

A cursor is the sort key of the last item (creation time and name), so it stays valid while items
come and go, and the server keeps no state. The control plane sorts by name, and names are digests:
so a page reads all of a tenant's objects of a kind, which are few and small.
"""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Response
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from simulacra_api.http.field_types import Status
from simulacra_crds.kinds.base import Resource, utcnow
from simulacra_schema.base import optional

R = TypeVar("R", bound=Resource)
SortKey = tuple[int, str, str]
"""A growing number, and up to two names as tie-breakers."""
CURSOR = r"^[0-9]{1,18}(\.[a-z0-9-]{1,63}){0,2}$"


def _check_cursor(cursor: str) -> str:
    if not re.fullmatch(CURSOR, cursor, re.ASCII):
        raise ValueError("Must be next_cursor of an earlier page, or absent for the first page.")
    return cursor


Cursor = Annotated[
    str, AfterValidator(_check_cursor), WithJsonSchema({"type": "string", "pattern": CURSOR})
]


class ListQuery(BaseModel, extra="forbid"):
    """Query of every list."""

    limit: int = Field(default=50, ge=1, le=100, description="Items per page.")
    cursor: Cursor | None = optional(
        "`next_cursor` of the page before; opaque, for the same filters."
    )

    @property
    def after(self) -> SortKey | None:
        """Sort key of the last item of the page before, None for the first page."""
        if self.cursor is None:
            return None
        number, *names = self.cursor.split(".")
        first, second = (*names, "", "")[:2]
        return int(number), first, second


class ResourceQuery(ListQuery):
    """Filters of the lists of jobs, generations and estimates."""

    dataset_id: str | None = Field(default=None, max_length=63)
    status: Status | None = None

    def matches(self, dataset_id: str, status: str) -> bool:
        """Return whether the filters match this dataset and status."""
        return self.dataset_id in (None, dataset_id) and self.status in (None, status)


class Page(BaseModel):
    """Answer of every list, besides its items."""

    next_cursor: str | None = optional("Absent on the last page; also as `Link: rel=next`.")


def cursor_of(key: SortKey) -> str:
    """Return the cursor that continues after this sort key."""
    return ".".join((str(key[0]), *(name for name in key[1:] if name)))


def _sort_key(resource: Resource) -> SortKey:
    created = resource.metadata.creation_timestamp or utcnow()
    return int(created.timestamp()), resource.metadata.name, ""


def page_of(
    resources: Sequence[R], query: ListQuery, keep: Callable[[R], bool]
) -> tuple[list[R], str | None]:
    """Return the requested page of the resources that `keep` accepts, and the next cursor."""
    rest = sorted(filter(keep, resources), key=_sort_key, reverse=True)
    if query.after is not None:
        rest = [resource for resource in rest if _sort_key(resource) < query.after]
    page = rest[: query.limit]
    return page, cursor_of(_sort_key(page[-1])) if len(rest) > query.limit else None


def link_next(response: Response, url: str, query: ListQuery, cursor: str | None) -> None:
    """Add `Link: rel=next` (RFC 8288) to the answer when the list at `url` has a next page."""
    if cursor is not None:
        given = query.model_dump(exclude_none=True, exclude={"cursor"}, mode="json")
        target = f"{url}?{urlencode(given | {'cursor': cursor})}"
        response.headers["Link"] = f'<{target}>; rel="next"'

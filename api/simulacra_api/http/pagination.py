"""Lists: newest first, in pages that a cursor leads through.

A cursor is the place of the last item (when it was made, and its name), so it stays good while
items come and go, and needs no memory between two calls. Whatever has the form of a cursor is a
place, whether an item stands there or not. The control plane keeps objects by name, and names are
digests here: a page reads all of a tenant's objects of a kind, which are few and small.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from simulacra_api.tenancy.repository import Status, TenantRepository, Work
from simulacra_crds.kinds.base import utcnow

W = TypeVar("W", bound=Work)
Place = tuple[int, str, str]
"""A number that grows, and up to two names that tell items with the same number apart."""
CURSOR = r"^[0-9]{1,18}(\.[a-z0-9-]{1,63}){0,2}$"


def _check_cursor(cursor: str) -> str:
    if not re.fullmatch(CURSOR, cursor, re.ASCII):
        raise ValueError("give next_cursor of an earlier page, or none for the first page")
    return cursor


Cursor = Annotated[
    str, AfterValidator(_check_cursor), WithJsonSchema({"type": "string", "pattern": CURSOR})
]


class ListQuery(BaseModel):
    """What every list takes."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=100, description="Items a page.")
    cursor: Cursor | None = Field(
        default=None,
        description="`next_cursor` of the page before; opaque, good for the same filters.",
    )

    @property
    def after(self) -> Place | None:
        """The place where the page before ended, None for the first page."""
        if self.cursor is None:
            return None
        number, *names = self.cursor.split(".")
        first, second = (*names, "", "")[:2]
        return int(number), first, second


class WorkQuery(ListQuery):
    """Filters of the lists of jobs and of what they make."""

    dataset_id: str | None = Field(default=None, max_length=63)
    status: Status | None = None

    def takes(self, dataset_id: str, status: str) -> bool:
        """Whether work of this dataset and status is asked for."""
        return self.dataset_id in (None, dataset_id) and self.status in (None, status)


class Page(BaseModel):
    """What every list answers, besides its items."""

    next_cursor: str | None = Field(
        default=None, description="Absent on the last page; also as `Link: rel=next`."
    )


def cursor_of(place: Place) -> str:
    """Return the cursor that leads on from a place."""
    return ".".join((str(place[0]), *(name for name in place[1:] if name)))


def place_of(work: Work) -> Place:
    """Return where a resource stands in a list."""
    made = work.metadata.creation_timestamp or utcnow()
    return int(made.timestamp()), work.metadata.name, ""


def page_of(
    works: Sequence[W], query: ListQuery, keep: Callable[[W], bool]
) -> tuple[list[W], str | None]:
    """Return the page that is asked for and the cursor of the next one."""
    ordered = sorted((work for work in works if keep(work)), key=place_of, reverse=True)
    rest = (
        ordered
        if query.after is None
        else [work for work in ordered if place_of(work) < query.after]
    )
    page = rest[: query.limit]
    return page, cursor_of(place_of(page[-1])) if len(rest) > query.limit else None


def link_next(
    repository: TenantRepository,
    response: Response,
    path: str,
    query: ListQuery,
    cursor: str | None,
) -> None:
    """Put `Link: rel=next` (RFC 8288) on the answer where there is a next page."""
    if cursor is not None:
        given = query.model_dump(exclude_none=True, exclude={"cursor"}, mode="json")
        target = f"{repository.services.settings.public_url}{path}?{urlencode(given | {'cursor': cursor})}"
        response.headers["Link"] = f'<{target}>; rel="next"'

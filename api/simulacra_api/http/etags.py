"""Entity tags and conditional requests (RFC 9110, section 13): 304 Not Modified and 412."""

import hashlib
from collections.abc import Mapping
from typing import Annotated

from fastapi import Header, Response

IfNoneMatch = Annotated[
    str | None,
    Header(description="Entity tags of your copies: 304 without a body when one is current."),
]
IfMatch = Annotated[
    str | None, Header(description="Entity tag that you read: 412 when it is no longer current.")
]
_CACHED = "private, no-cache"
"""Keep a copy, but revalidate it before each use."""


def entity_tag(representation: str | bytes, *, weak: bool = False) -> str:
    """Return the entity tag of a representation; weak: some bytes may differ under one tag."""
    content = representation.encode() if isinstance(representation, str) else representation
    return f'{"W/" if weak else ""}"{hashlib.sha256(content).hexdigest()[:32]}"'


def lists(header: str, tag: str) -> bool:
    """Return whether an If-(None-)Match header lists the tag or a star; weak equals strong."""
    wanted = ("*", tag.removeprefix("W/"))
    return any(entry.strip().removeprefix("W/") in wanted for entry in header.split(","))


def represent(
    content: str | bytes,
    tag: str,
    if_none_match: str | None,
    headers: Mapping[str, str] | None = None,
    *,
    media_type: str = "application/json",
) -> Response:
    """Return a representation with its entity tag, or 304 when the caller has it."""
    # A Response, because FastAPI would serialize the model again.
    described = {"ETag": tag, "Cache-Control": _CACHED, **(headers or {})}
    if if_none_match is not None and lists(if_none_match, tag):
        return Response(status_code=304, headers=described)
    return Response(content, headers=described, media_type=media_type)

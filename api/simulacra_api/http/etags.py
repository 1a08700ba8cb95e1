"""Conditional requests (RFC 9110, section 13): 304 for who has it already, 412 for who knows an older one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated

from fastapi import Header, Response

IfNoneMatch = Annotated[
    str | None,
    Header(description="Entity tags that you have: 304 without a body when one is current."),
]
IfMatch = Annotated[
    str | None, Header(description="Entity tag that you read: 412 when it is no longer current.")
]
_CACHED = "private, no-cache"
"""A copy may be kept, and must be checked before it is used again."""


def entity_tag(representation: str | bytes, *, weak: bool = False) -> str:
    """Return the entity tag of a representation; weak where answers with the same tag may differ in some bytes."""
    content = representation.encode() if isinstance(representation, str) else representation
    return f'{"W/" if weak else ""}"{hashlib.sha256(content).hexdigest()[:32]}"'


def lists(header: str, tag: str) -> bool:
    """Return whether an If-Match or If-None-Match header holds the tag or a star; weak tags compare as strong ones."""
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
    """Return the answer with a representation and its entity tag, or 304 for who has it.

    The bytes go out as they are: FastAPI would write JSON from the model that they were just
    written from.
    """
    described = {"ETag": tag, "Cache-Control": _CACHED, **(headers or {})}
    if if_none_match is not None and lists(if_none_match, tag):
        return Response(status_code=304, headers=described)
    return Response(content, headers=described, media_type=media_type)

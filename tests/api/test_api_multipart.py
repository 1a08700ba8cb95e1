"""The streaming form parser: any split of the body gives the same fields and file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulacra_api.http.problems import Problem
from simulacra_api.uploads.form import MAX_FIELDS, FormStream


def _form(content: bytes, fields: dict[str, str]) -> tuple[str, bytes]:
    request = httpx2.Request(
        "POST", "http://x", data=fields, files={"file": ("t.csv", content, "text/csv")}
    )
    return request.headers["content-type"], request.read()


async def _pieces(body: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    at = 0
    for cut in [*sorted(cuts), len(body)]:
        yield body[at:cut]
        at = max(at, cut)


@settings(max_examples=60, deadline=None)
@given(
    content=st.binary(max_size=300)
    | st.sampled_from([b"\r\n--", b"\r\n" * 9, b"--\r\n", b"a,b\r\n1,2\r\n"]),
    cuts=st.lists(st.integers(0, 500), max_size=12),
    head=st.integers(1, 64),
)
async def test_any_split_of_the_body_gives_the_same_file(
    content: bytes, cuts: list[int], head: int
) -> None:
    content_type, body = _form(content, {"retention_seconds": "60"})
    form = FormStream(content_type, _pieces(body, cuts))
    assert await form.read_head(head) == content[:head]
    assert form.fields == {"retention_seconds": "60"}
    assert form.file_type == "text/csv"
    assert b"".join([chunk async for chunk in form.chunks()]) == content


@pytest.mark.parametrize("lost", [4, 30, 60])
async def test_truncated_body_is_refused(lost: int) -> None:
    content_type, body = _form(b"a,b\n1,2\n" * 100, {})
    form = FormStream(content_type, _pieces(body[:-lost], []))
    await form.read_head(10)
    with pytest.raises(Problem) as refused:
        _ = [chunk async for chunk in form.chunks()]
    assert refused.value.entry.code == "simio_upload_invalid"


async def test_chunks_have_a_bounded_size() -> None:
    content = b"x,y\n" * (1 << 20)
    content_type, body = _form(content, {})
    pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]

    async def arriving() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    form = FormStream(content_type, arriving())
    await form.read_head(4096)
    sizes = [len(chunk) async for chunk in form.chunks()]
    assert sum(sizes) == len(content)
    assert max(sizes) <= (1 << 20) + 65_536


@pytest.mark.parametrize("fields", [MAX_FIELDS - 1, MAX_FIELDS])
async def test_fields_before_the_file_are_limited(fields: int) -> None:
    content_type, body = _form(b"a\n1\n", {f"field{i}": "1" for i in range(fields)})
    form = FormStream(content_type, _pieces(body, []))
    if fields < MAX_FIELDS:
        assert await form.read_head(4) == b"a\n1\n"
        return
    with pytest.raises(Problem) as refused:
        await form.read_head(4)
    assert "more than 16 fields" in refused.value.detail

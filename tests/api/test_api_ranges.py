"""Byte ranges: RFC 9110's forms, and cutting a stream at any chunk border."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulacra_api.http.problems import Problem
from simulacra_api.http.ranges import parse_range
from simulacra_custody.decryption import cut


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 10)),
        ("bytes=9-", (9, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", None),
        ("rows=0-1", None),
        ("bytes=0-" + "9" * 5000, (0, 10)),
        ("bytes=-" + "9" * 5000, (0, 10)),
        ("bytes=" + "0" * 5000 + "3-4", (3, 5)),
        ("bytes=" + "9" * 5000 + "-1", None),
    ],
)
def test_header_gives_one_range_or_the_whole(
    header: str | None, expected: tuple[int, int] | None
) -> None:
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=11-12", "bytes=-0", f"bytes={'9' * 5000}-"])
def test_range_outside_the_artifact_is_416(header: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_range(header, 10)
    assert refused.value.headers == {"Content-Range": "bytes */10"}


@given(
    chunks=st.lists(st.binary(max_size=9), max_size=9),
    bounds=st.tuples(st.integers(0, 80), st.integers(0, 80)),
)
def test_cut_yields_the_slice_of_a_stream(chunks: list[bytes], bounds: tuple[int, int]) -> None:
    start, end = sorted(bounds)
    assert b"".join(cut(iter(chunks), start, end)) == b"".join(chunks)[start:end]

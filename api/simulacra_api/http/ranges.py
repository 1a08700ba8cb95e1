"""Byte ranges of a download (RFC 9110, section 14): one range of an artifact of known size."""

import re

from simulacra_api.http.problems import Problem

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_MAX_DIGITS = 18
"""No artifact is that large; Python refuses to convert thousands of digits."""


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return start and end (exclusive) of the range; None: send the whole artifact.

    None also for several ranges and for a malformed header, as the RFC says.

    Raises:
        Problem: 416 for a range outside the artifact.
    """
    match = _RANGE.fullmatch((header or "").replace(" ", ""))
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(size - _position(last), 0), size
    else:
        start, end = _position(first), min(_position(last) + 1 if last else size, size)
    if first and last and _position(last) < start:
        return None
    if start >= end:
        raise Problem("simio_range_not_satisfiable", headers={"Content-Range": f"bytes */{size}"})
    return start, end


def _position(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS

"""Catalog of the errors that this API answers: stable code, HTTP status, meaning and remedy.

The one source of problem bodies, `/errors`, `/errors/{code}` and the OpenAPI document. The file of
the same name holds the entries; codes are added, never changed.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ErrorCode:
    """One entry of the catalog."""

    code: str
    status: int
    title: str
    remedy: str


_ENTRIES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
CATALOG = {
    code: ErrorCode(code, one["status"], one["title"], one["remedy"])
    for code, one in _ENTRIES.items()
}
OPERATIONS: dict[str, list[str]] = {
    code: one["operations"] for code, one in _ENTRIES.items() if "operations" in one
}
"""The operations that can answer a code, of the codes that only some can answer."""

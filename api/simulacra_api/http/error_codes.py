"""Catalog of the errors that this API answers: stable code, HTTP status, meaning and remedy.

The one source of problem bodies, `/errors`, `/errors/{code}` and the OpenAPI document. The file of
the same name holds the entries; those of answers to questions that are not there derive from the
registry of kinds. Codes are added, never changed.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from simulacra_crds.registry import WITH_JOB, KindInfo


@dataclass(frozen=True)
class ErrorCode:
    """One entry of the catalog."""

    code: str
    status: int
    title: str
    remedy: str


def _not_found(code: str, info: KindInfo) -> ErrorCode:
    name = info.title.partition(" ")[2]
    remedy = f"It may have expired; POST the {name.split()[-1]} again."
    return ErrorCode(code, 404, f"No such {name}", remedy)


_ENTRIES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
CATALOG = {
    code: ErrorCode(code, one["status"], one["title"], one["remedy"])
    for code, one in _ENTRIES.items()
}
_OF_KINDS = {f"simio_{info.noun}_not_found": info for info in WITH_JOB}
CATALOG |= {code: _not_found(code, of) for code, of in _OF_KINDS.items() if code not in CATALOG}
OPERATIONS: dict[str, list[str]] = {
    code: one["operations"] for code, one in _ENTRIES.items() if "operations" in one
}
"""The operations that can answer a code, of the codes that only some can answer."""

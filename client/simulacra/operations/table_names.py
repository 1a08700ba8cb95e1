"""Name of a table: sent in the description of its upload, which is encrypted and erased with it."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path

from simulacra.errors import ApiError
from simulacra.models import Json

UNNAMED = "table"
"""What a description says of a table that nobody named."""
MAX_NAME_LENGTH = 256
_UNTOLD = frozenset(
    {
        "simio_cancelled",
        "simio_dataset_failed",
        "simio_dataset_not_ready",
        "simio_not_found",
        "simio_source_erased",
    }
)
"""Codes of datasets without a description: not read, or read by a release that knew none."""


def name_of(source: object) -> str | None:
    """Return the name of a file, None for a table in memory."""
    return Path(source).name if isinstance(source, str | Path) else None


def named(description: Json | None, name: str | None, file_name: str | None, key: str) -> Json:
    """Return the description that an upload sends: with the table's name, and salted.

    The digest of a description outlives it in the audit log. `nonce`, which the service ignores,
    keeps anybody from finding the rest by trying. It follows from the idempotency key, so that an
    interrupted upload continues with the same description.

    Without `name`, the table is called what the description, which is not changed, says, or else
    `file_name`, which is None for a table in memory.

    Raises:
        ValueError: the name is too long.
    """
    if name and len(name) > MAX_NAME_LENGTH:
        raise ValueError(f"name: {len(name)} characters; write {MAX_NAME_LENGTH} at most.")
    unknown: Json = {"schema": {"fieldsMatch": "subset", "fields": []}}
    document = unknown if description is None else copy.deepcopy(description)
    resource = _resource(document)
    given = name or file_name
    if given and (name or resource.get("name") in (None, UNNAMED)):
        resource["name"] = given.encode(errors="replace").decode()
    salt = hashlib.sha256(f"simulacra-description:{key}".encode()).hexdigest()[:32]
    document.setdefault("nonce", salt)
    return document


def stated_name(description: Json) -> str | None:
    """Return what a description calls its table; None if nobody named it."""
    name = _resource(description).get("name")
    return name if isinstance(name, str) and name != UNNAMED else None


def has_no_description(error: ApiError) -> bool:
    """Return whether a dataset has no description to tell its name, as opposed to a failure."""
    return error.code in _UNTOLD


def _resource(description: Json) -> Json:
    """Return the part with the table's name: of a Package its resource, else the whole."""
    match description:
        case {"resources": [dict() as first, *_]}:
            return first
    return description

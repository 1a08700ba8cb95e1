"""Name of a table: sent in the description of its upload, which is encrypted and erased with it."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path

from simulacra.models import Json

UNNAMED = "table"
"""What a description says of a table that nobody named."""
MAX_NAME_LENGTH = 256


def name_of(source: object) -> str | None:
    """Return the name of a file, None for a table in memory."""
    return Path(source).name if isinstance(source, str | Path) else None


def named(description: Json | None, name: str | None, file_name: str | None, key: str) -> Json:
    """Return the description that an upload sends: with the table's name, and salted.

    The digest of a description outlives it in the audit log. `nonce`, which the service ignores,
    keeps anybody from finding the rest by trying. It follows from the idempotency key, so that an
    interrupted upload continues with the same description.

    Args:
        description: a Table Schema, a Data Resource or a Package of one; it is not changed.
        name: what to call the table; else what the description says, else `file_name`.
        file_name: of the uploaded file, None for a table in memory.
        key: Idempotency-Key of the upload.
    """
    unknown: Json = {"schema": {"fieldsMatch": "subset", "fields": []}}
    document = unknown if description is None else copy.deepcopy(description)
    resources = document.get("resources")
    packed = isinstance(resources, list) and resources and isinstance(resources[0], dict)
    resource: Json = resources[0] if packed and resources else document
    given = name or file_name
    if given and (name or resource.get("name") in (None, UNNAMED)):
        resource["name"] = given.encode(errors="replace").decode()[:MAX_NAME_LENGTH]
    salt = hashlib.sha256(f"simulacra-description:{key}".encode()).hexdigest()[:32]
    document.setdefault("nonce", salt)
    return document

"""Descriptions in requests: their check, and the bytes that are stored of them."""

import copy
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from simulacra_api.http.problems import Problem
from simulacra_schema.description import (
    MAX_DESCRIPTION_BYTES,
    DescriptionInvalid,
    parse_description,
)
from simulacra_schema.faults import FieldError


def check_description(document: object, prefix: str = "") -> None:
    """Refuse (422) a malformed description; `prefix` points to it in the request."""
    try:
        parse_description(document)
        size = len(description_bytes(document))
    except DescriptionInvalid as error:
        raise description_problem(error.errors, prefix) from None
    except UnicodeEncodeError:
        fault = FieldError(pointer="", detail="The description has invalid Unicode.")
        raise description_problem([fault], prefix) from None
    if size > MAX_DESCRIPTION_BYTES:
        limit = f"The description exceeds {MAX_DESCRIPTION_BYTES >> 20} MiB."
        raise description_problem([FieldError(pointer="", detail=limit)], prefix)


def description_bytes(document: object) -> bytes:
    """Return a description as it is stored: its digest depends on them."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def salted_description(document: Any, name: str | None, key: bytes, uid: str) -> bytes:
    """Return a checked description as it is stored: with the table's name, and salted.

    Its digest stays in the audit log. `nonce`, which readers ignore, keeps anybody without the key
    from finding the rest by trying; it is the same for the same description of the same dataset.

    The table's present name is kept where the document states none. The key is a secret of the
    service.
    """
    document = copy.deepcopy(document)
    resource = document["resources"][0] if "resources" in document else document
    if name is not None and resource.get("name") is None:
        resource["name"] = name
    content = description_bytes(document)
    salt = hmac.digest(key, b"description\n" + uid.encode() + b"\n" + content, hashlib.sha256)
    return description_bytes({**document, "nonce": salt.hex()[:32]})


def description_problem(errors: Sequence[FieldError], prefix: str) -> Problem:
    """Return the 422 of faults in a description; `prefix` points to it in the request."""
    placed = [FieldError(pointer=prefix + one.pointer, detail=one.detail) for one in errors]
    detail = f"{len(placed)} fault(s) in the description. See errors[] for each."
    return Problem("simio_description_invalid", detail, errors=placed)

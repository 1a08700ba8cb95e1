"""Counts of what was read, for the status: no name, level or evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from simulacra_crds.kinds.dataset import DescriptionCounts
from simulacra_schema.description_parts import EXTENSION
from simulacra_schema.table import TableSchema

REPLACED = ("key", "subject", "foreign_key", "personal_data")
ASKED = ("foreign_key",)
"""Roles that are taken on weak evidence: safe, but to be confirmed."""


def counts_of(
    schema: TableSchema, document: Mapping[str, Any], content: bytes
) -> DescriptionCounts:
    """Return the counts of a table that was read."""
    learned = sum(column.learned for column in schema.columns)
    replaced = sum(not column.learned and column.role in REPLACED for column in schema.columns)
    kept = sum(one.kind == "constant" or one.is_of_design for one in schema.columns)
    fields = document["schema"]["fields"]
    return DescriptionCounts(
        sha256=hashlib.sha256(content).hexdigest(),
        learned=learned,
        replaced=replaced,
        dropped=max(len(fields) - learned - replaced - kept, 0),
        to_confirm=sum(_is_asked(field) for field in fields)
        + sum(column.to_confirm is not None for column in schema.columns),
    )


def _is_asked(field: Mapping[str, Any]) -> bool:
    own = field.get(EXTENSION, {})
    return own.get("role") in ASKED and own.get("source", {}).get("role") == "detected"

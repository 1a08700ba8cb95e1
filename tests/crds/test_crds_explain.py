"""`kubectl explain`: every field of every kind has a description, with units and limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from simulacra_crds.crd_yaml import crd
from simulacra_crds.registry import KINDS

Schema = dict[str, Any]
CRDS = {kind.model_fields["kind"].default: crd(kind) for kind in KINDS}
UNITS = {
    "Bytes": "byte",
    "Seconds": "second",
    "Minute": "minute",
    "Ms": "millisecond",
    "percent": "0 to 100",
}
"""Ends of field names, and the unit that their descriptions must then state."""


def version(kind: str) -> Schema:
    found: Schema = CRDS[kind]["spec"]["versions"][0]
    return found


def fields(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield every field below a schema, through lists and maps."""
    for name, found in schema.get("properties", {}).items():
        if name == "metadata":
            continue  # Kubernetes describes it
        yield f"{path}.{name}", found
        yield from fields(f"{path}.{name}", found)
    for below in ("items", "additionalProperties"):
        if isinstance(schema.get(below), dict):
            yield from fields(path, schema[below])


@pytest.mark.parametrize("kind", CRDS)
def test_every_field_has_a_description(kind: str) -> None:
    schema = version(kind)["schema"]["openAPIV3Schema"]
    found = dict(fields(kind, schema))
    assert len(found) > 15
    assert schema["description"]
    bare = [path for path, one in found.items() if len(one.get("description", "").split()) < 3]
    assert bare == [], f"{len(bare)} fields have no description"


@pytest.mark.parametrize("kind", CRDS)
def test_descriptions_state_units_defaults_and_limits(kind: str) -> None:
    for path, one in fields(kind, version(kind)["schema"]["openAPIV3Schema"]):
        text, name = one["description"].lower(), path.rpartition(".")[2]
        unit = next((word for end, word in UNITS.items() if name.endswith(end)), "")
        assert unit in text, f"{path} does not say its unit"
        # kubectl explain shows neither default nor limits.
        if one["type"] in ("integer", "number") and one.get("default") not in (0, None):
            assert "default" in text, f"{path} does not state its default"
        if {"minimum", "maximum"} <= one.keys() and one["maximum"] > 1:
            assert " to " in text or "at most" in text, f"{path} does not state its limits"


@pytest.mark.parametrize("kind", CRDS)
def test_printer_columns_show_existing_fields(kind: str) -> None:
    found = fields(kind, version(kind)["schema"]["openAPIV3Schema"])
    known = {path.removeprefix(kind) for path, _ in found}
    columns = version(kind)["additionalPrinterColumns"]
    for one in columns:
        path = one["jsonPath"].replace('[?(@.type=="Ready")]', "")
        # A union is in order only if each of its names is in one place.
        for name in re.findall(r"'(\w+)'", path):
            assert len({f"{at}.{name}" for at in (".spec", ".status", ".metadata")} & known) == 1
        assert path in known or path.startswith((".metadata.", ".*['")), one
    assert columns[-1]["name"] == "Age"
    assert len([one for one in columns if not one.get("priority")]) <= 7, "a line fits a terminal"
    wide = [one["jsonPath"] for one in columns if one.get("priority")]
    assert any('"Ready"' in path for path in wide), "-o wide shows the reason of Ready"

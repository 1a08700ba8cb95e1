"""Structural schemas of the served kinds.

Built-in kinds come from `builtins.json` (extracted from a real API server, see
scripts/extract_builtin_schemas.py); custom kinds bring their own, to which `apiVersion`, `kind` and
`metadata` are added here.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from pydantic_core import from_json

from simulacra_controlplane.resources import Resource, Schema

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_PREFIX = "#/components/schemas/"
_FREE_FORM = {
    # recursive or without a structure of their own
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
    "io.k8s.apimachinery.pkg.runtime.RawExtension",
}
_LEFT_OUT = {"allOf", "$ref", "oneOf", "default", "description", "x-kubernetes-group-version-kind"}


@cache
def components() -> dict[str, Schema]:
    """The component schemas of the built-in kinds as OpenAPI writes them (with `$ref`)."""
    text = files(__package__).joinpath("builtins.json").read_bytes()
    found: dict[str, Schema] = from_json(text)
    return found


def component_name(resource: Resource) -> str:
    """The component of a built-in resource's kind."""
    if resource.group == "apiextensions.k8s.io":
        return f"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.{resource.kind}"
    group = resource.group.split(".")[0] or "core"
    return f"io.k8s.api.{group}.{resource.version}.{resource.kind}"


@cache
def _resolved(name: str) -> Schema:
    if name in _FREE_FORM:
        return {"x-kubernetes-preserve-unknown-fields": True}
    return _inline(components()[name])


def _inline(schema: Schema) -> Schema:
    """The schema without `$ref`, `allOf` and the zero values that OpenAPI prints as defaults."""
    if "$ref" in schema:
        return _resolved(schema["$ref"].removeprefix(_PREFIX))
    merged: Schema = {key: value for key, value in schema.items() if key not in _LEFT_OUT}
    for part in schema.get("allOf", []):
        merged = {**_inline(part), **merged}
    if schema.get("default"):
        merged["default"] = schema["default"]
    if schema.get("oneOf"):
        merged["x-kubernetes-int-or-string"] = True
    if "properties" in schema:
        merged["properties"] = {
            name: _inline(child) for name, child in schema["properties"].items()
        }
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            merged[keyword] = _inline(schema[keyword])
    # a Go list or map may be null, which means absent
    merged["nullable"] = True
    if (
        merged.get("type") == "object"
        and not {"properties", "additionalProperties"} & merged.keys()
    ):
        merged["x-kubernetes-preserve-unknown-fields"] = True
    return merged


@cache
def object_meta() -> Schema:
    """Schema of `metadata`."""
    return _resolved(_META)


_CUSTOM: dict[int, tuple[Any, Schema]] = {}


def schema_of(resource: Resource) -> Schema:
    """The schema of a whole object of this resource."""
    if not resource.custom:
        return _resolved(component_name(resource))
    known = _CUSTOM.get(id(resource.schema))
    if known is None or known[0] is not resource.schema:
        known = (resource.schema, _with_type_meta(resource.schema))
        _CUSTOM[id(resource.schema)] = known
    return known[1]


def _with_type_meta(schema: Schema) -> Schema:
    """A custom schema with the fields that every object has.

    What the author says of `metadata` (only name and generateName may be restricted) is kept by the
    validation, which reads the author's schema.
    """
    head = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": object_meta()}
    return {**schema, "type": "object", "properties": {**schema.get("properties", {}), **head}}

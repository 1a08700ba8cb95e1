"""CustomResourceDefinitions: checks, conditions, and the resources that they serve."""

from typing import Any

from simulacra_controlplane import errors, jsonpath
from simulacra_controlplane.errors import FieldError, invalid_value
from simulacra_controlplane.objects import Object, clone, meta, now
from simulacra_controlplane.resources import Column, Registry, Resource
from simulacra_controlplane.schema import cel

STORAGE = "customresourcedefinitions.apiextensions.k8s.io"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def check(crd: Object) -> list[FieldError]:
    """Return the violations of names, storage version, structural schemas and CEL rules."""
    spec = crd.get("spec", {})
    names, group = spec.get("names", {}), spec.get("group", "")
    problems: list[FieldError] = []
    expected = f"{names.get('plural')}.{group}"
    if crd["metadata"]["name"] != expected:
        detail = f'"{crd["metadata"]["name"]}": must be spec.names.plural+"."+spec.group'
        problems.append(invalid_value("metadata.name", detail))
    versions = spec.get("versions") or []
    if sum(bool(version.get("storage")) for version in versions) != 1:
        detail = f"{len(versions)}: must have exactly one version marked as storage version"
        problems.append(invalid_value("spec.versions", detail))
    if spec.get("conversion", {}).get("strategy") != "None":
        detail = '"Webhook": the embedded control plane converts by apiVersion only (None)'
        problems.append(invalid_value("spec.conversion.strategy", detail))
    for index, version in enumerate(versions):
        # a real server reads a single version's schema into `spec.validation` first
        place = f"spec.versions[{index}].schema" if len(versions) > 1 else "spec.validation"
        problems += _check_version(version, f"spec.versions[{index}]", f"{place}.openAPIV3Schema")
    return problems


def _check_version(version: dict[str, Any], path: str, where: str) -> list[FieldError]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is None:
        return [FieldError(where, "FieldValueRequired", "schemas are required")]
    problems = list(cel.compile_problems(schema, where)) + _structural(schema, where, "at the root")
    for index, column in enumerate(version.get("additionalPrinterColumns") or []):
        try:
            jsonpath.parse(column.get("jsonPath", ""))
        except ValueError as error:
            at = f"{path}.additionalPrinterColumns[{index}].jsonPath"
            problems.append(invalid_value(at, f'"{column.get("jsonPath", "")}": {error}'))
    return problems


def _structural(
    schema: dict[str, Any], path: str, place: str = "for specified object fields"
) -> list[FieldError]:
    """Yield the nodes that are not structural: without a type, or with `$ref`."""
    free = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get(
        "x-kubernetes-int-or-string"
    )
    problems: list[FieldError] = []
    if "$ref" in schema:
        problems.append(FieldError(f"{path}.$ref", "FieldValueForbidden", "must not be set"))
    if not schema.get("type") and not free:
        detail = f"must not be empty {place}"
        problems.append(FieldError(f"{path}.type", "FieldValueRequired", detail))
    if schema.get("type") == "array" and "items" not in schema:
        problems.append(FieldError(f"{path}.items", "FieldValueRequired", "must be specified"))
    for name, child in schema.get("properties", {}).items():
        problems += _structural(child, f"{path}.properties[{name}]")
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            problems += _structural(schema[keyword], f"{path}.{keyword}")
    return problems


def accept(crd: Object, old: Object | None, registry: Registry) -> Object:
    """The CRD with the status that makes it served: Established and NamesAccepted.

    Raises:
        ApiError: 409 when another CRD of the group already serves the kind or plural.
    """
    spec, names = crd["spec"], crd["spec"]["names"]
    for other in registry:
        same = (other.group, other.storage) == (spec["group"], crd["metadata"]["name"])
        if other.group == spec["group"] and not same and names["kind"] == other.kind:
            raise errors.conflict(
                "customresourcedefinitions",
                "apiextensions.k8s.io",
                crd["metadata"]["name"],
                f"kind {names['kind']} is already in use by {other.storage}",
            )
    accepted = clone(crd)
    meta(accepted).setdefault("finalizers", [])
    if old is None and CLEANUP not in meta(accepted)["finalizers"]:
        meta(accepted)["finalizers"].append(CLEANUP)
    status = (old or {}).get("status") or {}
    conditions = status.get("conditions") or [
        _condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        _condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    stored = list(status.get("storedVersions") or [])
    storage = next(version["name"] for version in spec["versions"] if version["storage"])
    if storage not in stored:
        stored.append(storage)
    accepted["status"] = {
        "conditions": conditions,
        "acceptedNames": names,
        "storedVersions": stored,
    }
    return accepted


def _condition(kind: str, reason: str, message: str) -> dict[str, str]:
    return {
        "type": kind,
        "status": "True",
        "lastTransitionTime": now(),
        "reason": reason,
        "message": message,
    }


def served(crd: Object) -> list[Resource]:
    """The resources of a CRD, one for each served version."""
    spec = crd["spec"]
    return [_resource(spec, version) for version in spec["versions"] if version.get("served")]


def _resource(spec: dict[str, Any], version: dict[str, Any]) -> Resource:
    names = spec["names"]
    columns = tuple(
        Column(
            c["name"],
            c["type"],
            c["jsonPath"],
            c.get("description", ""),
            c.get("priority", 0),
            c.get("format", ""),
        )
        for c in version.get("additionalPrinterColumns") or []
    )
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        singular=names["singular"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        status="status" in (version.get("subresources") or {}),
        custom=True,
        generation=True,
        schema=version["schema"]["openAPIV3Schema"],
        columns=columns,
        selectable=tuple(f["jsonPath"].lstrip(".") for f in version.get("selectableFields") or []),
    )

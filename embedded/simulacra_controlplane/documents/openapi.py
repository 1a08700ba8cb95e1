"""OpenAPI v3, as far as `kubectl apply` and `kubectl explain` read it."""

import hashlib
import json
from typing import Any

from simulacra_controlplane import errors
from simulacra_controlplane.objects import Object
from simulacra_controlplane.resources import Registry, Resource, Schema
from simulacra_controlplane.schema.schemas import component_name, components

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_PREFIX = "#/components/schemas/"


def _place(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def index(registry: Registry) -> Object:
    """`/openapi/v3`: one document a group and version, addressed by the hash of its content."""
    paths = {}
    for group, versions in registry.groups().items():
        for version in versions:
            content = json.dumps(document(registry, group, version), sort_keys=True).encode()
            digest = hashlib.sha256(content).hexdigest().upper()
            place = _place(group, version)
            paths[place] = {"serverRelativeURL": f"/openapi/v3/{place}?hash={digest}"}
    return {"paths": paths}


def document(registry: Registry, group: str, version: str) -> Object:
    """`/openapi/v3/api/v1` and `/openapi/v3/apis/{group}/{version}`.

    Raises:
        ApiError: 404.
    """
    resources = [r for r in registry if (r.group, r.version) == (group, version)]
    if not resources:
        raise errors.no_such_path()
    schemas: dict[str, Schema] = {}
    paths: dict[str, Any] = {}
    for resource in resources:
        name = _component(resource)
        schemas[name] = _schema(resource)
        base = f"/{_place(group, version)}" + (
            "/namespaces/{namespace}" if resource.namespaced else ""
        )
        paths[f"{base}/{resource.plural}"] = {
            "get": _operation(resource, name),
            "post": _operation(resource, name),
        }
        one = {verb: _operation(resource, name) for verb in ("get", "put", "patch", "delete")}
        paths[f"{base}/{resource.plural}/{{name}}"] = one
    _add_referred(schemas)
    info = {"title": "Simulacra embedded control plane", "version": "unversioned"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _component(resource: Resource) -> str:
    if not resource.custom:
        return component_name(resource)
    reversed_group = ".".join(reversed(resource.group.split(".")))
    return f"{reversed_group}.{resource.version}.{resource.kind}"


def _schema(resource: Resource) -> Schema:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    if not resource.custom:
        return {**components()[component_name(resource)], "x-kubernetes-group-version-kind": [kind]}
    head = {
        "apiVersion": {
            "type": "string",
            "description": "Group and version of this representation of the object.",
        },
        "kind": {"type": "string", "description": "Kind of the object."},
        "metadata": {
            "allOf": [{"$ref": _PREFIX + _META}],
            "description": "Standard object's metadata.",
        },
    }
    properties = {**resource.schema.get("properties", {}), **head}
    return {**resource.schema, "properties": properties, "x-kubernetes-group-version-kind": [kind]}


def _operation(resource: Resource, component: str) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    content = {"application/json": {"schema": {"$ref": _PREFIX + component}}}
    return {
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "content": content}},
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
    }


def _add_referred(schemas: dict[str, Schema]) -> None:
    """Add the components that the schemas refer to, in place."""
    wanted = list(schemas.values())
    while wanted:
        for name in _refs(wanted.pop()):
            if name not in schemas:
                schemas[name] = components()[name]
                wanted.append(schemas[name])


def _refs(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for child in node for name in _refs(child)}
    if not isinstance(node, dict):
        return set()
    found = {name for child in node.values() for name in _refs(child)}
    if isinstance(node.get("$ref"), str):
        found.add(node["$ref"].removeprefix(_PREFIX))
    return found

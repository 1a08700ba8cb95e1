"""Server-side apply (`application/apply-patch+yaml`): merge, ownership and conflicts.

Source: the KEP-555 algorithm as in structured-merge-diff. Unions and version conversion of managed
fields are left out: every kind here has one version.
"""

from __future__ import annotations

from typing import Any

from simulacra_controlplane import errors
from simulacra_controlplane.errors import ApiError
from simulacra_controlplane.objects import Object
from simulacra_controlplane.resources import Resource, Schema
from simulacra_controlplane.schema import admission
from simulacra_controlplane.schema.schemas import schema_of
from simulacra_controlplane.state import ControlPlane, WriteOptions, absorb
from simulacra_controlplane.verbs import fieldset, last_applied, writes
from simulacra_controlplane.verbs.fieldset import Path
from simulacra_controlplane.verbs.ownership import Entry, fields_of, make_entry, reduced, same_actor


def apply(
    plane: ControlPlane,
    resource: Resource,
    namespace: str,
    name: str,
    body: Any,
    subresource: str,
    options: WriteOptions,
) -> tuple[Object, bool]:
    """Apply a configuration; return the object and whether it was created.

    Raises:
        ApiError: 400, 404 (status of an object that is not there), 409 with one cause a conflicting
            field, 422.
    """
    config = absorb(resource, admission.check_type(resource, body))
    if config["metadata"].get("managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")
    config["metadata"].setdefault("name", name)
    if config["metadata"]["name"] != name:
        raise errors.bad_request("the name of the object does not match the name on the URL")
    schema = schema_of(resource)
    if subresource == "status":
        config = {
            key: value
            for key, value in config.items()
            if key in ("apiVersion", "kind", "metadata", "status")
        }
    elif resource.status:
        config.pop("status", None)
    applied = fieldset.members(fieldset.owned_part(config), schema, containers=False)
    entry = make_entry(resource, options.manager, "Apply", subresource, set(applied))
    live = plane.store.get(plane.key(resource, namespace, name))
    if live is None:
        if subresource:
            raise errors.not_found(resource.plural, resource.group, name)
        config["metadata"]["managedFields"] = [entry]
        return writes.create(plane, resource, namespace, config, options, apply=True), True
    merged = _merged(resource, live, config, applied, entry, options)
    return writes.commit(plane, resource, live, merged, subresource, options, apply=True), False


def _merged(
    resource: Resource,
    live: Object,
    config: Object,
    applied: dict[Path, Any],
    entry: Entry,
    options: WriteOptions,
) -> Object:
    schema = schema_of(resource)
    actor = (options.manager, "Apply", entry.get("subresource", ""))
    entries: list[Entry] = live["metadata"].get("managedFields") or []
    others = [other for other in entries if not same_actor(other, *actor)]
    present = fieldset.members(fieldset.owned_part(live), schema, containers=False)
    contested = {
        path for path, value in applied.items() if path not in present or present[path] != value
    }
    conflicts = [(other, fields_of(other) & contested) for other in others]
    conflicts = [(other, paths) for other, paths in conflicts if paths]
    by_kubectl = options.manager == last_applied.MANAGER
    known = last_applied.allowed(live, schema) if conflicts and by_kubectl else set()
    if not options.force and any(paths - known for _, paths in conflicts):
        raise _conflict(conflicts)
    for _, paths in conflicts:
        others = [smaller for other in others if (smaller := reduced(other, paths)) is not None]
    before = set().union(*(fields_of(mine) for mine in entries if same_actor(mine, *actor)))
    merged: Object = merge(live, config, schema)
    held = set().union(*(fields_of(other) for other in others)) if others else set()
    # an item before its fields: without its key fields it could not be found any more
    for path in sorted(before - set(applied) - held, key=len):
        if not any(other[: len(path)] == path for other in held | set(applied)):
            merged = fieldset.remove(merged, schema, path)
    merged = {**merged, "metadata": {**merged["metadata"], "managedFields": [*others, entry]}}
    if "resourceVersion" not in config["metadata"]:
        merged["metadata"].pop("resourceVersion", None)
    return last_applied.follow(live, merged, config) if by_kubectl else merged


def _conflict(conflicts: list[tuple[Entry, set[Path]]]) -> ApiError:
    causes, lines = [], []
    for entry, paths in conflicts:
        who = f'conflict with "{entry["manager"]}"'
        if entry.get("subresource"):
            who += f' with subresource "{entry["subresource"]}"'
        if entry["operation"] == "Update":
            who += f" using {entry['apiVersion']}"
        for path in sorted(paths):
            shown = fieldset.display(path)
            causes.append({"reason": "FieldManagerConflict", "message": who, "field": shown})
            lines.append(f"{who}: {shown}")
    plural = "s" if len(lines) > 1 else ""
    message = f"Apply failed with {len(lines)} conflict{plural}: " + "\n".join(lines)
    return ApiError(409, "Conflict", message, {"causes": causes})


def merge(live: Any, config: Any, schema: Schema) -> Any:
    """Return the live value with the applied one merged in, by the schema's list types."""
    if (
        isinstance(config, dict)
        and isinstance(live, dict)
        and schema.get("x-kubernetes-map-type") != "atomic"
    ):
        merged = dict(live)
        for name, value in config.items():
            inner = fieldset.child_schema(schema, name)[0]
            merged[name] = merge(merged.get(name), value, inner)
        return merged
    if isinstance(config, list) and isinstance(live, list):
        kind = fieldset.list_type(schema)
        if kind == "set":
            return live + [item for item in config if item not in live]
        if kind == "map":
            return _merge_items(live, config, schema)
    return config


def _merge_items(live: list[Any], config: list[Any], schema: Schema) -> list[Any]:
    items = schema.get("items", {})
    applied = {fieldset.item_key(item, schema): item for item in config}
    known = [fieldset.item_key(item, schema) for item in live]
    kept = [merge(item, applied.get(key, {}), items) for key, item in zip(known, live, strict=True)]
    return kept + [item for key, item in applied.items() if key not in known]

"""Who owns which field: the `managedFields` that creates, updates and patches leave behind."""

from __future__ import annotations

from typing import Any

from simulacra_controlplane.objects import Object, now
from simulacra_controlplane.resources import Resource
from simulacra_controlplane.schema.schemas import schema_of
from simulacra_controlplane.verbs.fieldset import Path, decode, encode, members, owned_part

Entry = dict[str, Any]


def fields_of(entry: Entry) -> set[Path]:
    """The paths that an entry owns."""
    return decode(entry.get("fieldsV1") or {})


def make_entry(
    resource: Resource,
    manager: str,
    operation: str,
    subresource: str,
    paths: set[Path],
) -> Entry:
    """One entry of managedFields."""
    entry = {
        "manager": manager,
        "operation": operation,
        "apiVersion": resource.api_version,
        "time": now(),
        "fieldsType": "FieldsV1",
        "fieldsV1": encode(paths),
    }
    if subresource:
        entry["subresource"] = subresource
    return entry


def same_actor(entry: Entry, manager: str, operation: str, subresource: str) -> bool:
    """Whether an entry is the one of this manager, operation and subresource."""
    return (entry.get("manager"), entry.get("operation"), entry.get("subresource", "")) == (
        manager,
        operation,
        subresource,
    )


def reduced(entry: Entry, taken: set[Path]) -> Entry | None:
    """The entry without some paths; None when nothing is left."""
    before = fields_of(entry)
    if not before & taken:
        return entry
    left = before - taken
    return {**entry, "fieldsV1": encode(left)} if left else None


def track(
    resource: Resource, old: Object | None, new: Object, manager: str, subresource: str
) -> None:
    """Record in `new`, in place, that `manager` wrote what differs from `old`.

    What it changed is its own from now on and nobody else's; what it removed belongs to nobody.
    """
    schema = schema_of(resource)
    was, is_now = owned_part(old) if old is not None else {}, owned_part(new)
    same = {name for name, value in is_now.items() if name in was and was[name] == value}
    before = members(
        {name: value for name, value in was.items() if name not in same}, schema, containers=True
    )
    after = members(
        {name: value for name, value in is_now.items() if name not in same}, schema, containers=True
    )
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = before.keys() - after.keys()
    entries: list[Entry] = new["metadata"].get("managedFields") or []
    if not changed and not gone:
        return
    kept: list[Entry] = []
    mine: set[Path] = set()
    for entry in entries:
        if same_actor(entry, manager, "Update", subresource):
            mine = fields_of(entry) - gone
            continue
        smaller = reduced(entry, changed | gone)
        if smaller is not None:
            kept.append(smaller)
    if mine | changed:
        kept.append(make_entry(resource, manager, "Update", subresource, mine | changed))
    new["metadata"]["managedFields"] = kept

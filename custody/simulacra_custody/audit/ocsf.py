"""Audit records as events of the Open Cybersecurity Schema Framework (OCSF), for a SIEM.

Each record is an event of the class API Activity (6003), https://schema.ocsf.io/1.8.0. OCSF and not
ECS: its class says which fields an event must have, and the large SIEMs read it without a mapping.
The log has no network addresses, so `src_endpoint`, which the class requires, names the component
that wrote the record. What OCSF has no field for is in `unmapped`.
"""

from typing import Any

from simulacra_custody.audit.event import AuditEvent, Outcome

VERSION = "1.8.0"
_CATEGORY, _CLASS, _OTHER = 6, 6003, 99
_ACTIVITIES = {1: "Create", 2: "Read", 3: "Update", 4: "Delete"}
_VERBS = {
    **dict.fromkeys(("created", "written", "issued", "offered", "requested", "opened"), 1),
    **dict.fromkeys(("read", "claimed", "checked", "searched", "used"), 2),
    **dict.fromkeys(("extended", "rotated", "cancelled", "approved", "denied", "accepted"), 3),
    **dict.fromkeys(("deleted", "erased", "destroyed", "expired", "swept", "retired", "pruned"), 4),
}
"""Activity of the last word of an event's type; any other is "Other", by its own name."""
_SEVERITIES = {Outcome.SUCCESS: 1, Outcome.REFUSED: 2, Outcome.FAILED: 3}
"""Informational, low, medium."""


def ocsf_event(event: AuditEvent) -> dict[str, Any]:
    """Return a record as an OCSF event, ready for JSON."""
    data = event.data.model_dump(mode="json", exclude_none=True, exclude={"outcome"})
    tenant, client, request = (data.pop(name, None) for name in ("tenant", "client", "request"))
    resource = {"type": data.pop("kind", None), "uid": data.pop("uid", None)}
    resource["name"] = data.pop("artefact", None)
    verb = event.type.rpartition(".")[2]
    activity = _VERBS.get(verb, _OTHER)
    success = event.data.outcome == Outcome.SUCCESS
    return _present(
        {
            "category_uid": _CATEGORY,
            "class_uid": _CLASS,
            "activity_id": activity,
            "activity_name": _ACTIVITIES.get(activity, verb),
            "type_uid": _CLASS * 100 + activity,
            "time": int(event.time.timestamp() * 1000),
            "severity_id": _SEVERITIES[event.data.outcome],
            "status_id": 1 if success else 2,
            "status": "Success" if success else "Failure",
            "status_code": event.data.outcome.value,
            "metadata": _present(
                {
                    "version": VERSION,
                    "product": {"name": "Simulacra", "vendor_name": "Simulacra"},
                    "uid": event.id,
                    "event_code": event.type.value,
                    "log_name": "audit",
                    "tenant_uid": tenant,
                }
            ),
            "actor": {"user": {"uid": client}} if client else {"app_name": event.source.value},
            "api": _present(
                {
                    "operation": event.type.value,
                    "service": {"name": event.source.value},
                    "request": {"uid": request} if request else None,
                }
            ),
            "src_endpoint": {"svc_name": event.source.value},
            "resources": [_present(resource)] if any(resource.values()) else None,
            "unmapped": data or None,
        }
    )


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}

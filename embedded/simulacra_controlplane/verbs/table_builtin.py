"""Printer columns of built-in kinds. Source: `pkg/printers/internalversion/printers.go`."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from simulacra_controlplane.objects import Object
from simulacra_controlplane.resources import Column, Resource
from simulacra_controlplane.verbs import durations

Cell = Callable[[Object], Any]


def _age(obj: Object) -> str:
    return durations.since(obj["metadata"].get("creationTimestamp"))


def _get(obj: Object, *path: str, default: Any = "") -> Any:
    value: Any = obj
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return default if value is None else value


def _at(*path: str, default: str = "") -> Cell:
    return lambda obj: _get(obj, *path, default=default)


def _containers(obj: Object) -> list[Object]:
    found: list[Object] = _get(obj, "spec", "template", "spec", "containers", default=[])
    return found


def _ports(service: Object) -> str:
    ports = _get(service, "spec", "ports", default=[])
    return ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in ports) or "<none>"


def _job_status(job: Object) -> str:
    conditions = {c["type"]: c["status"] for c in _get(job, "status", "conditions", default=[])}
    if conditions.get("Complete") == "True":
        return "Complete"
    if conditions.get("Failed") == "True":
        return "Failed"
    if "deletionTimestamp" in job["metadata"]:
        return "Terminating"
    for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if conditions.get(kind) == "True":
            return kind
    return "Running"


def _job_completions(job: Object) -> str:
    spec, succeeded = job.get("spec", {}), _get(job, "status", "succeeded", default=0)
    if spec.get("completions") is not None:
        return f"{succeeded}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 0
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _job_duration(job: Object) -> str:
    start, end = _get(job, "status", "startTime"), _get(job, "status", "completionTime")
    if not start:
        return ""
    if not end:
        return durations.since(start)
    return durations.human(
        (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    )


def _labels(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"


def _selected(*path: str) -> Cell:
    return lambda obj: _labels(_get(obj, *path, default={}))


def _quota(quota: Object, limits: bool) -> str:
    hard, used = (_get(quota, "status", name, default={}) for name in ("hard", "used"))
    wanted = sorted(name for name in hard if name.startswith("limits.") is limits)
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in wanted)


def _pod_ready(pod: Object) -> str:
    statuses = _get(pod, "status", "containerStatuses", default=[])
    ready = sum(bool(status.get("ready")) for status in statuses)
    return f"{ready}/{len(_get(pod, 'spec', 'containers', default=[]))}"


def _pod_status(pod: Object) -> str:
    status = pod.get("status", {})
    reason = status.get("reason") or status.get("phase", "")
    for container in status.get("containerStatuses", []):
        state = container.get("state", {})
        waiting, ended = state.get("waiting", {}), state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended is not None:
            reason = ended.get("reason") or f"ExitCode:{ended.get('exitCode')}"
    return "Terminating" if pod["metadata"].get("deletionTimestamp") else str(reason)


def _pod_restarts(pod: Object) -> str:
    statuses = _get(pod, "status", "containerStatuses", default=[])
    return str(sum(status.get("restartCount", 0) for status in statuses))


def _node_status(node: Object) -> str:
    ready = [
        c["status"] for c in _get(node, "status", "conditions", default=[]) if c["type"] == "Ready"
    ]
    text = {"True": "Ready", "False": "NotReady"}.get(ready[0], "NotReady") if ready else "Unknown"
    return (
        f"{text},SchedulingDisabled" if _get(node, "spec", "unschedulable", default=False) else text
    )


def _event_times(event: Object) -> str:
    last = event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp")
    return durations.since(_get(event, "series", "lastObservedTime") or last)


def _involved(event: Object) -> str:
    target = event.get("involvedObject", {})
    return f"{target.get('kind', '').lower()}/{target.get('name', '')}"


def _creation(obj: Object) -> str:
    return str(obj["metadata"]["creationTimestamp"])


def _source(event: Object) -> Any:
    return _get(event, "source", "component") or event.get("reportingComponent", "")


_COLUMNS: dict[str, dict[str, Cell]] = {
    "configmaps": {
        "Data": lambda o: str(len(o.get("data") or {}) + len(o.get("binaryData") or {})),
        "Age": _age,
    },
    "customresourcedefinitions.apiextensions.k8s.io": {"Created At": _creation},
    "events": {
        "Last Seen": _event_times,
        "Type": _at("type"),
        "Reason": _at("reason"),
        "Object": _involved,
        "Subobject": _at("involvedObject", "fieldPath"),
        "Source": _source,
        "Message": lambda o: str(o.get("message", "")).strip(),
        "First Seen": lambda o: durations.since(o.get("firstTimestamp") or o.get("eventTime")),
        "Count": lambda o: str(o.get("count") or 1),
        "Name": _at("metadata", "name"),
    },
    "jobs.batch": {
        "Status": _job_status,
        "Completions": _job_completions,
        "Duration": _job_duration,
        "Age": _age,
        "Containers": lambda o: ",".join(c["name"] for c in _containers(o)),
        "Images": lambda o: ",".join(c.get("image", "") for c in _containers(o)),
        "Selector": _selected("spec", "selector", "matchLabels"),
    },
    "leases.coordination.k8s.io": {"Holder": _at("spec", "holderIdentity"), "Age": _age},
    "limitranges": {"Created At": _creation},
    "namespaces": {"Status": _at("status", "phase"), "Age": _age},
    "networkpolicies.networking.k8s.io": {
        "Pod-Selector": _selected("spec", "podSelector", "matchLabels"),
        "Age": _age,
    },
    "nodes": {
        "Status": _node_status,
        "Roles": lambda o: "<none>",
        "Age": _age,
        "Version": _at("status", "nodeInfo", "kubeletVersion"),
    },
    "pods": {
        "Ready": _pod_ready,
        "Status": _pod_status,
        "Restarts": _pod_restarts,
        "Age": _age,
        "IP": lambda o: _get(o, "status", "podIP") or "<none>",
        "Node": lambda o: _get(o, "spec", "nodeName") or "<none>",
    },
    "priorityclasses.scheduling.k8s.io": {
        "Value": lambda o: o.get("value", 0),
        "Global-Default": lambda o: bool(o.get("globalDefault")),
        "Age": _age,
        "PreemptionPolicy": _at("preemptionPolicy"),
    },
    "resourcequotas": {
        "Request": lambda o: _quota(o, limits=False),
        "Limit": lambda o: _quota(o, limits=True),
        "Age": _age,
    },
    "secrets": {
        "Type": _at("type"),
        "Data": lambda o: str(len(o.get("data") or {})),
        "Age": _age,
    },
    "serviceaccounts": {"Age": _age},
    "services": {
        "Type": _at("spec", "type"),
        "Cluster-IP": _at("spec", "clusterIP", default="<none>"),
        "External-IP": lambda o: "<none>",
        "Port(s)": _ports,
        "Age": _age,
        "Selector": _selected("spec", "selector"),
    },
}
_TYPES = {"Created At": "date", "Value": "integer", "Global-Default": "boolean"}
"""Of columns that are no text."""
_WIDE = {"Subobject", "Source", "First Seen", "Count", "Name"}  # of an Event
_WIDE |= {"Containers", "Images", "Selector", "IP", "Node"}
"""Columns that only `-o wide` prints."""


def columns(resource: Resource) -> list[Column]:
    """The columns after the name."""
    return [
        Column(name, _TYPES.get(name, "string"), "", priority=int(name in _WIDE))
        for name in _COLUMNS[resource.storage]
    ]


def cells(resource: Resource, obj: Object) -> list[Any]:
    """The cells of one object, in the order of `columns`."""
    return [cell(obj) for cell in _COLUMNS[resource.storage].values()]

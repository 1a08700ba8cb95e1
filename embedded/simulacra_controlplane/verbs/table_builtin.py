"""Printer columns of built-in kinds. Source: `pkg/printers/internalversion/printers.go`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from simulacra_controlplane.objects import Object
from simulacra_controlplane.resources import Column, Resource
from simulacra_controlplane.verbs import durations

Cell = Callable[[Object], Any]
_Spec = list[tuple[str, str, int, Cell]]


def _age(obj: Object) -> str:
    return durations.since(obj["metadata"].get("creationTimestamp"))


def _get(obj: Object, *path: str, default: Any = "") -> Any:
    value: Any = obj
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return default if value is None else value


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


def _selector(job: Object) -> str:
    return _labels(_get(job, "spec", "selector", "matchLabels", default={}))


def _policy_selector(policy: Object) -> str:
    return _labels(_get(policy, "spec", "podSelector", "matchLabels", default={}))


def _quota(quota: Object, limits: bool) -> str:
    hard, used = (
        _get(quota, "status", "hard", default={}),
        _get(quota, "status", "used", default={}),
    )
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
    return str(
        sum(s.get("restartCount", 0) for s in _get(pod, "status", "containerStatuses", default=[]))
    )


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


_COLUMNS: dict[str, _Spec] = {
    "configmaps": [
        (
            "Data",
            "string",
            0,
            lambda o: str(len(o.get("data") or {}) + len(o.get("binaryData") or {})),
        ),
        ("Age", "string", 0, _age),
    ],
    "customresourcedefinitions.apiextensions.k8s.io": [
        ("Created At", "date", 0, lambda o: o["metadata"]["creationTimestamp"])
    ],
    "events": [
        ("Last Seen", "string", 0, _event_times),
        ("Type", "string", 0, lambda o: o.get("type", "")),
        ("Reason", "string", 0, lambda o: o.get("reason", "")),
        ("Object", "string", 0, _involved),
        ("Subobject", "string", 1, lambda o: _get(o, "involvedObject", "fieldPath")),
        (
            "Source",
            "string",
            1,
            lambda o: _get(o, "source", "component") or o.get("reportingComponent", ""),
        ),
        ("Message", "string", 0, lambda o: str(o.get("message", "")).strip()),
        (
            "First Seen",
            "string",
            1,
            lambda o: durations.since(o.get("firstTimestamp") or o.get("eventTime")),
        ),
        ("Count", "string", 1, lambda o: str(o.get("count") or 1)),
        ("Name", "string", 1, lambda o: o["metadata"]["name"]),
    ],
    "jobs.batch": [
        ("Status", "string", 0, _job_status),
        ("Completions", "string", 0, _job_completions),
        ("Duration", "string", 0, _job_duration),
        ("Age", "string", 0, _age),
        ("Containers", "string", 1, lambda o: ",".join(c["name"] for c in _containers(o))),
        ("Images", "string", 1, lambda o: ",".join(c.get("image", "") for c in _containers(o))),
        ("Selector", "string", 1, _selector),
    ],
    "leases.coordination.k8s.io": [
        ("Holder", "string", 0, lambda o: _get(o, "spec", "holderIdentity")),
        ("Age", "string", 0, _age),
    ],
    "limitranges": [("Created At", "date", 0, lambda o: o["metadata"]["creationTimestamp"])],
    "namespaces": [
        ("Status", "string", 0, lambda o: _get(o, "status", "phase")),
        ("Age", "string", 0, _age),
    ],
    "networkpolicies.networking.k8s.io": [
        ("Pod-Selector", "string", 0, _policy_selector),
        ("Age", "string", 0, _age),
    ],
    "nodes": [
        ("Status", "string", 0, _node_status),
        ("Roles", "string", 0, lambda o: "<none>"),
        ("Age", "string", 0, _age),
        ("Version", "string", 0, lambda o: _get(o, "status", "nodeInfo", "kubeletVersion")),
    ],
    "pods": [
        ("Ready", "string", 0, _pod_ready),
        ("Status", "string", 0, _pod_status),
        ("Restarts", "string", 0, _pod_restarts),
        ("Age", "string", 0, _age),
        ("IP", "string", 1, lambda o: _get(o, "status", "podIP") or "<none>"),
        ("Node", "string", 1, lambda o: _get(o, "spec", "nodeName") or "<none>"),
    ],
    "priorityclasses.scheduling.k8s.io": [
        ("Value", "integer", 0, lambda o: o.get("value", 0)),
        ("Global-Default", "boolean", 0, lambda o: bool(o.get("globalDefault"))),
        ("Age", "string", 0, _age),
        ("PreemptionPolicy", "string", 0, lambda o: o.get("preemptionPolicy", "")),
    ],
    "resourcequotas": [
        ("Request", "string", 0, lambda o: _quota(o, limits=False)),
        ("Limit", "string", 0, lambda o: _quota(o, limits=True)),
        ("Age", "string", 0, _age),
    ],
    "secrets": [
        ("Type", "string", 0, lambda o: o.get("type", "")),
        ("Data", "string", 0, lambda o: str(len(o.get("data") or {}))),
        ("Age", "string", 0, _age),
    ],
    "serviceaccounts": [("Age", "string", 0, _age)],
    "services": [
        ("Type", "string", 0, lambda o: _get(o, "spec", "type")),
        ("Cluster-IP", "string", 0, lambda o: _get(o, "spec", "clusterIP", default="<none>")),
        ("External-IP", "string", 0, lambda o: "<none>"),
        ("Port(s)", "string", 0, _ports),
        ("Age", "string", 0, _age),
        ("Selector", "string", 1, lambda o: _labels(_get(o, "spec", "selector", default={}))),
    ],
}


def columns(resource: Resource) -> list[Column]:
    """The columns after the name."""
    return [
        Column(name, kind, "", priority=priority)
        for name, kind, priority, _ in _COLUMNS[resource.storage]
    ]


def cells(resource: Resource, obj: Object) -> list[Any]:
    """The cells of one object, in the order of `columns`."""
    return [cell(obj) for _, _, _, cell in _COLUMNS[resource.storage]]

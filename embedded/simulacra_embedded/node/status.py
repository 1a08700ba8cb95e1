"""Status of a Pod as kubelet writes it."""

from datetime import UTC, datetime
from typing import Any

from simulacra_embedded.node.process import Termination
from simulacra_embedded.node.registration import HOST_IP

Object = dict[str, Any]
DISRUPTED = ("TerminationByKubelet", "The node agent stopped while the pod was running.")


def _time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def terminated(end: Termination) -> Object:
    """Return the `terminated` state of a container."""
    state: Object = {"exitCode": end.exit_code, "reason": end.reason}
    state |= {"startedAt": _time(end.started), "finishedAt": _time(end.finished)}
    if end.exit_code > 128:
        state["signal"] = end.exit_code - 128
    if end.message:
        state["message"] = end.message
    return {"terminated": state}


def waiting(reason: str, message: str = "") -> Object:
    """Return the `waiting` state of a container."""
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def running(started: datetime) -> Object:
    """Return the `running` state of a container."""
    return {"running": {"startedAt": _time(started)}}


class PodStatus:
    """Builds one pod's status from its container's state; keeps the conditions of others."""

    def __init__(self, pod: Object) -> None:
        self._pod = pod
        self._spec: Object = pod["spec"]["containers"][0]
        self._old: Object = pod.get("status") or {}
        self._start = self._old.get("startTime") or _time(datetime.now(UTC))
        self._conditions: list[Object] = list(self._old.get("conditions") or [])

    def build(self, phase: str, state: Object, *, disrupted: bool = False) -> Object:
        """Return the status for a phase and a container state.

        disrupted: Whether the pod ended because of this node.
        """
        up = "running" in state
        self._set("PodReadyToStartContainers", up)
        self._set("Initialized", True, "PodCompleted" if phase == "Succeeded" else "")
        ends = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}
        why = "" if up else ends.get(phase, "ContainersNotReady")
        self._set("Ready", up, why)
        self._set("ContainersReady", up, why)
        self._set("PodScheduled", True)
        if disrupted:
            self._set("DisruptionTarget", True, *DISRUPTED)
        container = {
            "name": self._spec["name"],
            "image": self._spec["image"],
            "imageID": "",
            "ready": up,
            "started": up,
            "restartCount": 0,
            "state": state,
            "lastState": {},
        }
        return {
            "phase": phase,
            "startTime": self._start,
            "hostIP": HOST_IP,
            "hostIPs": [{"ip": HOST_IP}],
            "conditions": self._conditions,
            "containerStatuses": [container],
        }

    def refused(self, reason: str, message: str) -> Object:
        """Return the status of a pod that this node cannot run."""
        return {"phase": "Failed", "reason": reason, "message": message, "startTime": self._start}

    def _set(self, kind: str, value: bool, reason: str = "", message: str = "") -> None:
        old = next((c for c in self._conditions if c["type"] == kind), None)
        changed: str | None = _time(datetime.now(UTC))
        if old and old["status"] == str(value):
            changed = old.get("lastTransitionTime")
        new: Object = {"type": kind, "status": str(value)}
        new |= {"lastProbeTime": None, "lastTransitionTime": changed}
        new |= {key: text for key, text in (("reason", reason), ("message", message)) if text}
        self._conditions = [*(c for c in self._conditions if c["type"] != kind), new]

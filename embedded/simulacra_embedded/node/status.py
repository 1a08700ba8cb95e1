"""Pod statuses as kubelet writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from simulacra_embedded.node.process import Ended

Object = dict[str, Any]
HOST_IP = "127.0.0.1"
DISRUPTED = ("TerminationByKubelet", "The node agent stopped while the pod was running.")


def _time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def terminated(ended: Ended) -> Object:
    """Return the `terminated` state of a container."""
    state = {"exitCode": ended.exit_code, "reason": ended.reason}
    if ended.exit_code > 128:
        state["signal"] = ended.exit_code - 128
    if ended.message:
        state["message"] = ended.message
    return {
        "terminated": state
        | {"startedAt": _time(ended.started), "finishedAt": _time(ended.finished)}
    }


def waiting(reason: str, message: str = "") -> Object:
    """Return the `waiting` state of a container."""
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def running(started: datetime) -> Object:
    """Return the `running` state of a container."""
    return {"running": {"startedAt": _time(started)}}


class PodStatus:
    """Builds the status of one pod from its container's state; keeps what others wrote into it."""

    def __init__(self, pod: Object) -> None:
        self._pod = pod
        self._spec: Object = pod["spec"]["containers"][0]
        self._old: Object = pod.get("status") or {}
        self._start = self._old.get("startTime") or _time(datetime.now(UTC))
        self._conditions: list[Object] = list(self._old.get("conditions") or [])
        self.restarts = 0
        self._last: Object = {}

    def restarted(self, ended: Ended) -> None:
        """Note that the container ended and is started again."""
        self.restarts += 1
        self._last = terminated(ended)

    def build(self, phase: str, state: Object, *, disrupted: bool = False) -> Object:
        """Return the status for a phase and a container state; `disrupted`: it ended because of this node."""
        up = "running" in state
        done = phase == "Succeeded"
        self._set("PodReadyToStartContainers", up)
        self._set("Initialized", True, "PodCompleted" if done else "")
        why = (
            ""
            if up
            else "PodCompleted"
            if done
            else "PodFailed"
            if phase == "Failed"
            else "ContainersNotReady"
        )
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
            "restartCount": self.restarts,
            "state": state,
            "lastState": self._last,
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
        """Return the status of a pod that this node will not run."""
        return {"phase": "Failed", "reason": reason, "message": message, "startTime": self._start}

    def _set(self, kind: str, value: bool, reason: str = "", message: str = "") -> None:
        old = next((c for c in self._conditions if c["type"] == kind), None)
        new = {
            "type": kind,
            "status": str(value),
            "lastProbeTime": None,
            "lastTransitionTime": _time(datetime.now(UTC)),
        }
        if old and old["status"] == new["status"]:
            new["lastTransitionTime"] = old.get("lastTransitionTime")
        new |= {key: text for key, text in (("reason", reason), ("message", message)) if text}
        self._conditions = [*(c for c in self._conditions if c["type"] != kind), new]

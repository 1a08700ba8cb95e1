"""Observed states for tests of the reconcilers, and a world in which actions have effects."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from simulacra_crds.kinds.base import FINALIZER, LABEL_DATASET, LABEL_UID
from simulacra_crds.kube.client import Object
from simulacra_operator.observed.custom_resource import CustomResource, parse
from simulacra_operator.observed.observe import Observed
from simulacra_operator.settings import Settings
from simulacra_operator.work import actions as act

NOW = datetime(2026, 3, 1, 12, 0, 30, 250_000, UTC)
CREATED = NOW.replace(microsecond=0) - timedelta(minutes=5)
SETTINGS = Settings(
    "simulacra/trainer:dev", (("SIMULACRA_STORE", "file:///s"),), "127.0.0.1", 0, "me"
)
SECRET = "salary_of_zoe"
"""A column name, which may be in the request only."""
UID = "uid-1"
SPECS: dict[str, Object] = {
    "Dataset": {"source": {"sha256": "a" * 64, "bytes": 3}},
    "Model": {"datasetRef": {"name": "ds-1"}, "knowledge": {"tiers": [[SECRET]]}},
    "GenerationJob": {
        "modelRef": {"name": "mdl-1"},
        "rowCount": 10,
        "conditions": {"categorical": {SECRET: {SECRET: 0.5}}},
        "interventions": {SECRET: {"level": SECRET}},
    },
    "EffectEstimate": {
        "modelRef": {"name": "mdl-1"},
        "treatment": SECRET,
        "value": {"number": 1},
        "baseline": {"number": 0},
        "outcome": SECRET,
        "before": [SECRET],
        "after": [SECRET],
        "dontKnow": [SECRET],
        "negativeControls": [SECRET],
        "instrument": SECRET,
        "parallelTrends": {SECRET: {"level": SECRET}},
        "statedBy": SECRET,
    },
    "SegmentEstimate": {
        "modelRef": {"name": "mdl-1"},
        "segment": [{"column": SECRET, "levels": [SECRET]}],
        "questions": [SECRET],
    },
    "AnswerSheet": {
        "modelRef": {"name": "mdl-1"},
        "outcome": SECRET,
        "levers": [{"column": SECRET, "value": {"level": SECRET}, "baseline": {"number": 3}}],
        "before": [SECRET],
        "after": [SECRET],
        "dontKnow": [SECRET],
        "statedBy": SECRET,
    },
}


def iso(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def resource(
    kind: str, name: str, spec: Object | None = None, status: Object | None = None, **meta: Any
) -> Object:
    """Return a custom resource as the API server would."""
    metadata = {
        "name": name,
        "namespace": "tenant-acme",
        "uid": UID,
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": iso(CREATED),
        "finalizers": [FINALIZER],
        **meta,
    }
    body = {"apiVersion": "simulacra.dev/v1alpha1", "kind": kind, "metadata": metadata}
    return {
        **body,
        "spec": copy.deepcopy(SPECS.get(kind, {}) if spec is None else spec),
        "status": status or {},
    }


def ready_condition(status: str, reason: str = "Ready") -> Object:
    time = iso(CREATED)
    return {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": "",
        "lastTransitionTime": time,
    }


def ended(kind: str, name: str, *, well: bool = True, **meta: Any) -> CustomResource:
    """Return a resource whose work ended."""
    status = {
        "phase": "Ready" if well else "Failed",
        "conditions": [ready_condition("True" if well else "False")],
        "finishedAt": iso(CREATED + timedelta(minutes=1)),
        "wrappedKey": f"key-of-{name}",
    }
    return parse(resource(kind, name, None, status, **{"uid": f"uid-{name}", **meta}))


def tenant(*, ready: bool = True, **spec: Any) -> CustomResource:
    status = {"conditions": [ready_condition("True" if ready else "False")]}
    return parse(resource("Tenant", "acme", spec, status, namespace=None, uid="uid-t"))


def job(
    kind: str, name: str, state: str = "running", *, uid: str = UID, shards: int = 1, **meta: Any
) -> Object:
    """Return a Job in a state: running, suspended, complete, failed, late."""
    ends = {
        "complete": {"type": "Complete", "status": "True"},
        "failed": {"type": "Failed", "status": "True", "reason": "PodFailurePolicy"},
        "late": {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"},
    }
    return {
        "metadata": {"name": name, "uid": "uid-job", "labels": {LABEL_UID: uid}, **meta},
        "spec": {"completions": shards, "suspend": state == "suspended"},
        "status": {"conditions": [ends[state]] if state in ends else []},
    }


def pod(
    code: int = 0,
    *,
    index: int = 0,
    result: Object | None = None,
    reason: str = "Error",
    ago: int = 0,
) -> Object:
    """Return a pod whose container ended some seconds ago."""
    state = {"exitCode": code, "reason": reason, "finishedAt": iso(NOW - timedelta(seconds=ago))}
    if result is not None:
        state["message"] = json.dumps(result)
    return {
        "metadata": {"annotations": {"batch.kubernetes.io/job-completion-index": str(index)}},
        "status": {"containerStatuses": [{"state": {"terminated": state}}]},
    }


def result(**fields: Any) -> Object:
    return {"outcome": "Succeeded", "reason": "Done", **fields}


def observed(body: Object, **facts: Any) -> Observed:
    """Return the observed state of a resource of a Ready tenant, unless `facts` say otherwise."""
    defaults = {"now": NOW, "settings": SETTINGS, "tenant": tenant()}
    return Observed(resource=parse(body), **{**defaults, **facts})


def without_pods_say(actions: list[act.Action]) -> str:
    """Return everything unencrypted in the actions."""
    encrypted = act.WriteRequest | act.WriteDescription
    return repr([one for one in actions if not isinstance(one, encrypted)])


class SmallWorld:
    """One resource and what its actions can change."""

    def __init__(self, body: Object, **facts: Any) -> None:
        self.body, self.facts = copy.deepcopy(body), facts
        self.released = False

    def seen(self) -> Observed:
        return observed(self.body, **self.facts)

    def apply(self, action: act.Action) -> None:
        """Apply an action."""
        match action:
            case act.PatchStatus(patch):
                self._merge(self.body["status"], patch)
            case act.PatchMeta(patch):
                self._merge(self.body["metadata"], patch)
            case act.CreateKey(patch):
                self._merge(self.body["status"], patch)
                self.body["status"]["wrappedKey"] = "fresh-key"
            case act.ShredKey():
                self.body["status"].pop("wrappedKey", None)
            case act.CreateJob(manifest):
                made = job("", manifest["metadata"]["name"])
                made["metadata"]["labels"] = manifest["metadata"]["labels"]
                made["metadata"]["annotations"] = manifest["metadata"].get("annotations", {})
                made["spec"]["suspend"] = manifest["spec"]["suspend"]
                self.facts |= {"job": made}
            case act.CreateService(manifest):
                self.facts |= {"service": manifest}
            case act.SuspendJob(_, suspend):
                self.facts["job"] = copy.deepcopy(self.facts["job"])
                self.facts["job"]["spec"]["suspend"] = suspend
            case act.DeleteJob():
                self.facts |= {"job": None, "pods": ()}
            case act.DeleteResource(key):
                gone = tuple(one for one in self.facts["dependants"] if one.key != key)
                self.facts |= {"dependants": gone}
            case act.ReleaseFinalizer():
                self.released = True
            case act.Erase() | act.WriteRequest() | act.LogFailure() | act.DiscardArtifacts():
                pass
            case act.WriteDescription() | act.EraseSource() | act.RecordJob():
                pass
            case _:
                raise AssertionError(f"no such action here: {action}")

    @staticmethod
    def _merge(into: Object, patch: Object) -> None:
        for name, value in patch.items():
            if value is None:
                into.pop(name, None)
            elif isinstance(value, dict) and isinstance(into.get(name), dict):
                into[name] = {**into[name], **value}
            else:
                into[name] = value


def renamed(one: CustomResource, **meta: Any) -> CustomResource:
    """Return a copy with other metadata."""
    return replace(one, meta=one.meta.model_copy(update=meta))


LABELS = {LABEL_DATASET: "ds-1"}
MODEL_OWNER = [
    {"apiVersion": "simulacra.dev/v1alpha1", "kind": "Model", "name": "mdl-1", "uid": "uid-mdl-1"}
]

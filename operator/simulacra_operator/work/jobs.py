"""The Job of a resource: one container under restricted Pod Security.

It knows names and wrapped keys only. A distributed fit is an Indexed Job as well: all its pods run
at once and connect to the first of them, by a name that a headless Service provides.
"""

import json
from dataclasses import dataclass, field

from simulacra_crds.kinds.base import (
    ANNOTATION_REQUEST,
    API_VERSION,
    LABEL_DATASET,
    LABEL_KIND,
    LABEL_TENANT,
    LABEL_UID,
)
from simulacra_crds.kinds.model import ModelResources
from simulacra_crds.kube.client import Object
from simulacra_crds.logs import FIELDS_VARIABLE
from simulacra_crds.tasks import LASTING, TASK_ENV, ExitCode, TaskSpec
from simulacra_operator.observed.observe import Observed
from simulacra_operator.observed.placement import GPU, LABEL_WORKERS, QUEUE_LABEL

SERVICE_ACCOUNT = "simulacra-trainer"
CONTAINER = "trainer"
BACKOFF_LIMIT = 3
MAX_PARALLEL_PODS = 8
"""Pods of one Job that run at once, whatever the number of shards."""
_USER = 65532
_COMMON_LABELS = {
    "app.kubernetes.io/name": "simulacra",
    "app.kubernetes.io/component": "trainer",
    "app.kubernetes.io/part-of": "simulacra",
    "app.kubernetes.io/managed-by": "simulacra-operator",
}
"""By which tools group objects. Source: "Recommended Labels" of the Kubernetes documentation."""
LEADER_PORT = 29500
FIRST_PORT, LAST_PORT = LEADER_PORT, 29999
"""Ports between the workers of a fit; their ephemeral ports start after the leader's port."""


@dataclass(frozen=True)
class Size:
    """Resources that a pod requests.

    Attributes:
        cpu: a Kubernetes quantity, like `memory` and `memory_limit`.
        deadline_s: the Job's time limit in seconds.
        requested: GPUs, workers, nodes and priority.
    """

    cpu: str
    memory: str
    memory_limit: str
    deadline_s: int
    requested: ModelResources = field(default_factory=ModelResources)


@dataclass(frozen=True)
class Work:
    """The task of a Job, the size of its pods, and more about it.

    Attributes:
        task, size: of its pods.
        env: their further environment variables.
        notes: annotations of the Job.
    """

    task: TaskSpec
    size: Size
    env: tuple[Object, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """Pods that share one task; 1: each pod has its own shard."""
        return self.size.requested.workers


def manifest(seen: Observed, work: Work) -> Object:
    """Return the Job of a resource."""
    meta = seen.resource.meta
    labels = _labels(seen, work)
    queue = seen.settings.placement.queue
    owner = _owner(API_VERSION, seen.resource.kind, meta.name, meta.uid)
    request = meta.annotations.get(ANNOTATION_REQUEST)
    notes = work.notes | ({ANNOTATION_REQUEST: request} if request else {})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": seen.job_name,
            "namespace": meta.namespace,
            "labels": {**labels, QUEUE_LABEL: queue} if queue else labels,
            **({"annotations": notes} if notes else {}),
            "ownerReferences": [{**owner, "blockOwnerDeletion": False}],
        },
        "spec": {
            "completions": work.task.shards,
            "parallelism": min(work.task.shards, MAX_PARALLEL_PODS),
            "completionMode": "Indexed",
            "backoffLimit": BACKOFF_LIMIT * work.workers,  # when one of them fails, all do
            "activeDeadlineSeconds": work.size.deadline_s,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules()},
            "suspend": queue is not None,
            "template": {"metadata": {"labels": labels}, "spec": _pod(seen, work)},
        },
    }


def leader_service(seen: Observed, job: Object) -> Object | None:
    """Return the headless Service by which a Job's workers find the first one, if they need it."""
    meta = job["metadata"]
    if LABEL_WORKERS not in meta.get("labels", {}):
        return None
    labels = {name: value for name, value in meta["labels"].items() if name != QUEUE_LABEL}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": meta["name"],
            "namespace": seen.resource.meta.namespace,
            "labels": labels,
            "ownerReferences": [_owner("batch/v1", "Job", meta["name"], meta["uid"])],
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"batch.kubernetes.io/controller-uid": meta["uid"]},
            "ports": [{"name": "leader", "port": LEADER_PORT, "protocol": "TCP"}],
        },
    }


def _owner(version: str, kind: str, name: str, uid: str) -> Object:
    return {"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": True}


def _labels(seen: Observed, work: Work) -> dict[str, str]:
    """Return the labels by which a Job and its pods are found."""
    resource = seen.resource
    labels = {
        **_COMMON_LABELS,
        LABEL_TENANT: seen.tenant_name or "",
        LABEL_KIND: resource.plural,
        LABEL_UID: resource.meta.uid,
    }
    if work.workers > 1:
        labels[LABEL_WORKERS] = str(work.workers)
    dataset = resource.meta.labels.get(LABEL_DATASET)
    if resource.kind == "Dataset":
        dataset = resource.meta.name
    return {**labels, LABEL_DATASET: dataset} if dataset else labels


def _failure_rules() -> list[Object]:
    """Return the rules for failed pods; the first that matches applies.

    A pod that a drain ends may exit with any code. An outage is waited out: Kubernetes doubles the
    delay between attempts up to ten minutes, and activeDeadlineSeconds ends them.
    """
    disrupted = {"type": "DisruptionTarget", "status": "True"}
    return [
        {"action": "Ignore", "onPodConditions": [disrupted]},
        {"action": "FailJob", "onExitCodes": _exits(*LASTING)},
        {"action": "Ignore", "onExitCodes": _exits(ExitCode.OUTAGE)},
    ]


def _exits(*codes: ExitCode) -> Object:
    values = [int(code) for code in codes]
    return {"containerName": CONTAINER, "operator": "In", "values": values}


def _pod(seen: Observed, work: Work) -> Object:
    task = work.task.model_dump_json(by_alias=True, exclude_none=True)
    fields = json.dumps(seen.resource.log_fields())
    env = [(TASK_ENV, task), (FIELDS_VARIABLE, fields), *seen.settings.pod_env]
    if work.workers > 1:
        name = seen.job_name
        leader = f"{name}-0.{name}.{seen.resource.meta.namespace}.svc"
        env += [("MASTER_ADDR", leader), ("MASTER_PORT", str(LEADER_PORT))]
    spec: Object = {
        "restartPolicy": "Never",
        "serviceAccountName": SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": CONTAINER,
                "image": seen.settings.trainer_image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["python", "-m", "simulacra_trainer", "run"],
                "env": [*({"name": name, "value": value} for name, value in env), *work.env],
                "resources": _resources(seen, work),
                "terminationMessagePolicy": "File",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - emptyDir
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    if work.workers > 1:
        spec["subdomain"] = seen.job_name
        ports = {"name": "net.ipv4.ip_local_port_range", "value": f"{LEADER_PORT + 1} {LAST_PORT}"}
        spec["securityContext"]["sysctls"] = [ports]
    placed = seen.settings.placement.place(spec, work.size.requested)
    return seen.settings.pod_access.give(placed)


def _resources(seen: Observed, work: Work) -> Object:
    """Return what a pod requests: what its Model says, else the installation, else measured."""
    size, model = work.size, work.size.requested
    gpu = {GPU: str(model.gpu)} if model.gpu else {}
    requests = {"cpu": size.cpu, "memory": size.memory}
    requests |= seen.settings.placement.requests.get(work.task.task, {})
    requests |= {"cpu": model.cpu} if model.cpu else {}
    requests |= {"memory": model.memory} if model.memory else {}
    return {"requests": requests | gpu, "limits": {"memory": size.memory_limit, **gpu}}

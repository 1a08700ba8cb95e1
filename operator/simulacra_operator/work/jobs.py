"""The Job of a resource: one container under restricted Pod Security that knows names and wrapped keys only.

A fit by several workers is an Indexed Job as well: all its pods run at once and talk to each other, the first of them
at a name that a headless Service gives it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simulacra_crds.contract.tasks import TASK_ENV, ExitCode, TaskSpec
from simulacra_crds.kinds.base import (
    API_VERSION,
    GROUP,
    LABEL_DATASET,
    LABEL_KIND,
    LABEL_TENANT,
    LABEL_UID,
)
from simulacra_crds.kinds.model import ModelResources
from simulacra_crds.kube.client import Object
from simulacra_operator.work.observed import Observed
from simulacra_operator.work.placement import GPU, QUEUE_LABEL

SERVICE_ACCOUNT = "simulacra-trainer"
CONTAINER = "trainer"
BACKOFF_LIMIT = 3
MAX_PARALLEL_PODS = 8
"""Pods of one Job that run at once, whatever its number of shards."""
_USER = 65532
LEADER_PORT = 29500
FIRST_PORT, LAST_PORT = LEADER_PORT, 29999
"""Ports that workers of a fit use between them: their ephemeral ports are limited to what follows the leader's."""
LABEL_WORKERS = f"{GROUP}/workers"
"""On Jobs, pods and Services of a fit by several workers."""


@dataclass(frozen=True)
class Size:
    """What a pod asks of a node.

    Attributes:
        cpu: a Kubernetes quantity, as are `memory` and `memory_limit`.
        deadline_s: the Job's time limit in seconds.
        asked: GPUs, workers, nodes and priority.
    """

    cpu: str
    memory: str
    memory_limit: str
    deadline_s: int
    asked: ModelResources = field(default_factory=ModelResources)


@dataclass(frozen=True)
class Work:
    """One Job to be: what its pods do, on how many shards, how big they are, and further variables of theirs."""

    task: TaskSpec
    size: Size
    env: tuple[Object, ...] = ()

    @property
    def workers(self) -> int:
        """Pods that do one piece of work together; 1: each pod does its own."""
        return self.size.asked.workers


def manifest(seen: Observed, work: Work) -> Object:
    """Return the Job for a resource."""
    meta = seen.subject.meta
    labels = _labels(seen, work)
    queue = seen.settings.placement.queue
    owner = {
        "apiVersion": API_VERSION,
        "kind": seen.subject.kind,
        "name": meta.name,
        "uid": meta.uid,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": seen.job_name,
            "namespace": meta.namespace,
            "labels": {**labels, QUEUE_LABEL: queue} if queue else labels,
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": False}],
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


def meeting_point(seen: Observed, job: Object) -> Object | None:
    """Return the headless Service by which the workers of a Job find the first of them; None for other Jobs."""
    if LABEL_WORKERS not in job["metadata"].get("labels", {}):
        return None
    meta = job["metadata"]
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": meta["name"],
            "namespace": seen.subject.meta.namespace,
            "labels": {
                name: value for name, value in meta["labels"].items() if name != QUEUE_LABEL
            },
            "ownerReferences": [owner],
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"batch.kubernetes.io/controller-uid": meta["uid"]},
            "ports": [{"name": "leader", "port": LEADER_PORT, "protocol": "TCP"}],
        },
    }


def _labels(seen: Observed, work: Work) -> dict[str, str]:
    """Return the labels by which a Job and its pods are found again."""
    subject = seen.subject
    labels = {
        LABEL_TENANT: seen.tenant_name or "",
        LABEL_KIND: subject.plural,
        LABEL_UID: subject.meta.uid,
    }
    if work.workers > 1:
        labels[LABEL_WORKERS] = str(work.workers)
    dataset = (
        subject.meta.name if subject.kind == "Dataset" else subject.meta.labels.get(LABEL_DATASET)
    )
    return {**labels, LABEL_DATASET: dataset} if dataset else labels


def _failure_rules() -> list[Object]:
    user_error = {
        "containerName": CONTAINER,
        "operator": "In",
        "values": [int(ExitCode.USER_ERROR)],
    }
    return [
        {"action": "FailJob", "onExitCodes": user_error},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]


def _pod(seen: Observed, work: Work) -> Object:
    env = [
        (TASK_ENV, work.task.model_dump_json(by_alias=True, exclude_none=True)),
        *seen.settings.pod_env,
    ]
    if work.workers > 1:
        name = seen.job_name
        leader = f"{name}-0.{name}.{seen.subject.meta.namespace}.svc"
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
                "resources": _resources(work.size),
                "terminationMessagePolicy": "File",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the pod's own, empty volume
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    if work.workers > 1:
        spec["subdomain"] = seen.job_name
        ports = {"name": "net.ipv4.ip_local_port_range", "value": f"{LEADER_PORT + 1} {LAST_PORT}"}
        spec["securityContext"]["sysctls"] = [ports]
    return seen.settings.pod_access.give(seen.settings.placement.place(spec, work.size.asked))


def _resources(size: Size) -> Object:
    gpu = {GPU: str(size.asked.gpu)} if size.asked.gpu else {}
    return {
        "requests": {"cpu": size.cpu, "memory": size.memory, **gpu},
        "limits": {"memory": size.memory_limit, **gpu},
    }

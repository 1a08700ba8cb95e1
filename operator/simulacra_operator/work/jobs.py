"""The Job of a resource: one container under restricted Pod Security that knows names and wrapped keys only."""

from __future__ import annotations

from dataclasses import dataclass

from simulacra_crds.base import API_VERSION, LABEL_DATASET, LABEL_KIND, LABEL_TENANT, LABEL_UID
from simulacra_crds.cluster import Object
from simulacra_crds.tasks import TASK_ENV, ExitCode, TaskSpec
from simulacra_operator.work.observed import Observed

SERVICE_ACCOUNT = "simulacra-trainer"
CONTAINER = "trainer"
BACKOFF_LIMIT = 3
MAX_PARALLEL_PODS = 8
"""Pods of one Job that run at once, whatever its number of shards."""
_USER = 65532
_GPU = "nvidia.com/gpu"


@dataclass(frozen=True)
class Size:
    """What a pod asks of a node: cpu and memory as Kubernetes quantities, GPUs, and the Job's time limit in seconds."""

    cpu: str
    memory: str
    memory_limit: str
    deadline_s: int
    gpu: int = 0


@dataclass(frozen=True)
class Work:
    """One Job to be: what its pods do, on how many shards, how big they are, and further variables of theirs."""

    task: TaskSpec
    size: Size
    env: tuple[Object, ...] = ()


def manifest(seen: Observed, work: Work) -> Object:
    """Return the Job for a resource."""
    meta = seen.subject.meta
    labels = _labels(seen)
    owner = {"apiVersion": API_VERSION, "kind": seen.subject.kind, "name": meta.name, "uid": meta.uid}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": seen.job_name,
            "namespace": meta.namespace,
            "labels": labels,
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": False}],
        },
        "spec": {
            "completions": work.task.shards,
            "parallelism": min(work.task.shards, MAX_PARALLEL_PODS),
            "completionMode": "Indexed",
            "backoffLimit": BACKOFF_LIMIT,
            "activeDeadlineSeconds": work.size.deadline_s,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules()},
            "suspend": False,
            "template": {"metadata": {"labels": labels}, "spec": _pod(seen, work)},
        },
    }


def _labels(seen: Observed) -> dict[str, str]:
    """Return the labels by which a Job and its pods are found again."""
    subject = seen.subject
    labels = {LABEL_TENANT: seen.tenant_name or "", LABEL_KIND: subject.plural, LABEL_UID: subject.meta.uid}
    dataset = subject.meta.name if subject.kind == "Dataset" else subject.meta.labels.get(LABEL_DATASET)
    return {**labels, LABEL_DATASET: dataset} if dataset else labels


def _failure_rules() -> list[Object]:
    user_error = {"containerName": CONTAINER, "operator": "In", "values": [int(ExitCode.USER_ERROR)]}
    return [
        {"action": "FailJob", "onExitCodes": user_error},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]


def _pod(seen: Observed, work: Work) -> Object:
    env = [(TASK_ENV, work.task.model_dump_json(by_alias=True, exclude_none=True)), *seen.settings.pod_env]
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
    if work.size.gpu:
        spec["tolerations"] = [{"key": _GPU, "operator": "Exists", "effect": "NoSchedule"}]
    return seen.settings.pod_access.give(spec)


def _resources(size: Size) -> Object:
    gpu = {_GPU: str(size.gpu)} if size.gpu else {}
    return {
        "requests": {"cpu": size.cpu, "memory": size.memory, **gpu},
        "limits": {"memory": size.memory_limit, **gpu},
    }

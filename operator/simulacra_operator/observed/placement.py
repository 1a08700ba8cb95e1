"""Placement of the Jobs' pods: node selector, tolerations, priority class and Kueue queue.

A Model adds to the first three in its `spec.resources`. The queue is a LocalQueue in the tenant's
namespace, which the cluster's administrator creates and gives its quota.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import ValidationError

from simulacra_crds.kinds.base import GROUP
from simulacra_crds.kinds.model import ModelResources
from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import TaskSpec

PLACEMENT_VARIABLE = "SIMULACRA_POD_PLACEMENT"
REQUESTS_VARIABLE = "SIMULACRA_POD_REQUESTS"
"""Not a part of the placement: an operator of an earlier image refuses what it does not know."""
QUEUE_VARIABLE = "SIMULACRA_KUEUE_QUEUE"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
LABEL_WORKERS = f"{GROUP}/workers"
"""On the Job, pods and Service of a distributed fit."""
GPU = "nvidia.com/gpu"
_GPU_TAINT: Object = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}
_FIELDS = {"nodeSelector", "tolerations", "priorityClass"}
_REQUESTS = {"cpu": r"[1-9][0-9]{0,4}m|[1-9][0-9]?", "memory": r"[1-9][0-9]{1,2}Mi|[1-4]Gi"}
"""Quantities of requests; the memory is at most the limit of the pods that no Model sizes."""
_EXAMPLE = (
    '{"nodeSelector": {"pool": "jobs"}, '
    '"tolerations": [{"key": "jobs", "operator": "Exists"}], "priorityClass": ""}'
)


@dataclass(frozen=True)
class Placement:
    """Placement that every pod of a Job gets.

    Attributes:
        resources: node selector, tolerations and priority class, as a Model has them.
        queue: name of the Kueue LocalQueue of the Jobs; None: they start at once.
        requests: cpu and memory that the pods of a task request instead of what was measured.
    """

    resources: ModelResources
    queue: str | None = None
    requests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Placement:
        """Read the variables.

        Raises:
            ValueError: a variable is malformed; the message names it and gives an example.
        """
        try:
            value: Any = json.loads(env.get(PLACEMENT_VARIABLE) or "{}")
            if not isinstance(value, dict) or value.keys() - _FIELDS:
                raise ValueError
            given = {name: one for name, one in value.items() if one}
            resources = ModelResources.model_validate(given)
        except (ValueError, ValidationError):
            raise ValueError(
                f"{PLACEMENT_VARIABLE} is malformed: set it to a JSON object such as {_EXAMPLE}"
            ) from None
        requests = _requests(env.get(REQUESTS_VARIABLE) or "{}")
        return cls(resources, env.get(QUEUE_VARIABLE) or None, requests)

    def place(self, pod: Object, requested: ModelResources) -> Object:
        """Return a pod spec with the placement of the installation and of a Model."""
        own = self.resources
        tolerations = [one.to_wire() for one in (*own.tolerations, *requested.tolerations)]
        parts = {
            "nodeSelector": {**own.node_selector, **requested.node_selector},
            "tolerations": [*([_GPU_TAINT] if requested.gpu else []), *tolerations],
            "priorityClassName": requested.priority_class or own.priority_class,
        }
        return {**pod, **{name: value for name, value in parts.items() if value}}


def _requests(text: str) -> dict[str, dict[str, str]]:
    """Return the requests of each task, without empty ones."""
    try:
        found = {
            task: {name: str(one) for name, one in of.items() if one}
            for task, of in json.loads(text).items()
        }
        pairs = [pair for of in found.values() for pair in of.items()]
        well = all(re.fullmatch(_REQUESTS[name], one) for name, one in pairs)
    except (AttributeError, KeyError, ValueError):
        well = False
    if not well or found.keys() - set(get_args(TaskSpec.model_fields["task"].annotation)):
        raise ValueError(
            f"{REQUESTS_VARIABLE} is malformed: set it to a JSON object such as "
            '{"estimate": {"cpu": "500m", "memory": "384Mi"}}, of at most 4Gi'
        )
    return found


def queued(job: Object) -> bool:
    """Return whether Kueue, and nobody else, suspends and resumes a Job."""
    return QUEUE_LABEL in job["metadata"].get("labels", {})

"""Placement of the Jobs' pods: node selector, tolerations, priority class and Kueue queue.

A Model adds to the first three in its `spec.resources`. The queue is a LocalQueue in the tenant's
namespace, which the cluster's administrator creates and gives its quota.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from simulacra_crds.kinds.base import GROUP
from simulacra_crds.kinds.model import ModelResources
from simulacra_crds.kube.client import Object

PLACEMENT_VARIABLE = "SIMULACRA_POD_PLACEMENT"
QUEUE_VARIABLE = "SIMULACRA_KUEUE_QUEUE"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
LABEL_WORKERS = f"{GROUP}/workers"
"""On the Job, pods and Service of a distributed fit."""
GPU = "nvidia.com/gpu"
_GPU_TAINT: Object = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}
_FIELDS = {"nodeSelector", "tolerations", "priorityClass"}
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
    """

    resources: ModelResources
    queue: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Placement:
        """Read both variables.

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
        return cls(resources, env.get(QUEUE_VARIABLE) or None)

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


def queued(job: Object) -> bool:
    """Return whether Kueue, and nobody else, suspends and resumes a Job."""
    return QUEUE_LABEL in job["metadata"].get("labels", {})

"""Where the pods of Jobs go: node selector, tolerations and priority of the installation, and the Kueue queue.

A Model adds to the first three in its `spec.resources`. Jobs wait in a queue of their tenant's namespace; who makes it,
and of which quota it takes, is the cluster's administrator's business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from simulacra_crds.kinds.model import ModelResources
from simulacra_crds.kube.client import Object

PLACEMENT_VARIABLE = "SIMULACRA_POD_PLACEMENT"
QUEUE_VARIABLE = "SIMULACRA_KUEUE_QUEUE"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
GPU = "nvidia.com/gpu"
_GPU_TAINT: Object = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}
_FIELDS = {"nodeSelector", "tolerations", "priorityClass"}
_FORM = '{"nodeSelector": {"pool": "jobs"}, "tolerations": [{"key": "jobs", "operator": "Exists"}], "priorityClass": ""}'


@dataclass(frozen=True)
class Placement:
    """What every pod of a Job gets.

    Attributes:
        resources: node selector, tolerations and priority class, in the form that a Model has them; nothing else.
        queue: name of the Kueue LocalQueue that Jobs wait in; None: they start at once.
    """

    resources: ModelResources
    queue: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Placement:
        """Read both variables.

        Raises:
            ValueError: naming the one that is malformed and what it must look like.
        """
        try:
            value: Any = json.loads(env.get(PLACEMENT_VARIABLE) or "{}")
            if not isinstance(value, dict) or value.keys() - _FIELDS:
                raise ValueError
            resources = ModelResources.model_validate(
                {name: one for name, one in value.items() if one}
            )
        except (ValueError, ValidationError):
            raise ValueError(
                f"{PLACEMENT_VARIABLE} is malformed: set it to a JSON object such as {_FORM}"
            ) from None
        return cls(resources, env.get(QUEUE_VARIABLE) or None)

    def place(self, pod: Object, asked: ModelResources) -> Object:
        """Return a pod's spec with all that the installation and a Model say of nodes and priority."""
        own = self.resources
        tolerations = [one.to_wire() for one in (*own.tolerations, *asked.tolerations)]
        parts = {
            "nodeSelector": {**own.node_selector, **asked.node_selector},
            "tolerations": [*([_GPU_TAINT] if asked.gpu else []), *tolerations],
            "priorityClassName": asked.priority_class or own.priority_class,
        }
        return {**pod, **{name: value for name, value in parts.items() if value}}


def queued(job: Object) -> bool:
    """Whether Kueue decides when a Job runs: it alone suspends and resumes it."""
    return QUEUE_LABEL in job["metadata"].get("labels", {})

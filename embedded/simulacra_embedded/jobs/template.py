"""The Pod that a Job's template makes for one completion and attempt: the same answer whenever it is asked."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from simulacra_embedded.jobs import pods

Object = dict[str, Any]
INDEX_ENV = "JOB_COMPLETION_INDEX"


def pod_name(job: Object, index: int | None, attempt: int) -> str:
    """Return `<job>[-<index>]-<hash>`, at most 63 characters, of this incarnation of the Job."""
    uid = job["metadata"]["uid"]
    digest = hashlib.sha256(f"{uid}/{index}/{attempt}".encode()).hexdigest()[:8]
    middle = "" if index is None else f"-{index}"
    return f"{job['metadata']['name'][: 54 - len(middle)]}{middle}-{digest}"


def pod_for(job: Object, index: int | None, attempt: int) -> Object:
    """Return the Pod to create; the Job owns it."""
    meta, template = job["metadata"], copy.deepcopy(job["spec"]["template"])
    labels = dict(template.get("metadata", {}).get("labels") or {})
    annotations = dict(template.get("metadata", {}).get("annotations") or {})
    labels |= {pods.JOB_NAME: meta["name"], pods.JOB_UID: meta["uid"]}
    annotations[pods.ATTEMPT] = str(attempt)
    spec: Object = template["spec"]
    if index is not None:
        labels[pods.INDEX] = annotations[pods.INDEX] = str(index)
        for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
            env = container.setdefault("env", [])
            if not any(entry["name"] == INDEX_ENV for entry in env):
                source = {"fieldRef": {"fieldPath": f"metadata.annotations['{pods.INDEX}']"}}
                env.append({"name": INDEX_ENV, "valueFrom": source})
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(job, index, attempt),
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": spec,
    }

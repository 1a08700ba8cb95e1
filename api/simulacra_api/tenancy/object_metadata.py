"""Metadata of the resources that the API creates: labels, finalizer, owner."""

from __future__ import annotations

from typing import Any

from simulacra_crds.kinds.base import FINALIZER, LABEL_DATASET, LABEL_TENANT
from simulacra_crds.kube.client import Object


def metadata(
    name: str, tenant: str, *, dataset: str | None, owner: Object | None, annotations: Any
) -> Object:
    """Return metadata. The finalizer is there from the start, so that bytes never outlive what
    erases them.

    Args:
        name: name of the resource.
        tenant: name of the tenant.
        dataset: name of the Dataset that the resource descends from, None for a Dataset.
        owner: the resource that takes this one along when it is deleted.
        annotations: annotations.
    """
    labels = {LABEL_TENANT: tenant} | ({LABEL_DATASET: dataset} if dataset else {})
    out: Object = {
        "name": name,
        "labels": labels,
        "annotations": annotations,
        "finalizers": [FINALIZER],
    }
    if owner is not None:
        reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "controller": True}
        named = {
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
        out["ownerReferences"] = [reference | named]
    return out

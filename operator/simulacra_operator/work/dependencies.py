"""What a resource descends from: how its state gates the work, how the two are tied, what the pods may read."""

from __future__ import annotations

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import KeyedRef
from simulacra_crds.kinds.base import API_VERSION, LABEL_DATASET
from simulacra_crds.kube.client import Object
from simulacra_operator.work.conditions import Finding
from simulacra_operator.work.custom_resource import Subject
from simulacra_operator.work.observed import Observed


def keyed(subject: Subject | None) -> KeyedRef | None:
    """Return the reference by which a pod reaches a resource's artifacts; None when it has no key (any more)."""
    if subject is None or subject.status.wrapped_key is None:
        return None
    return KeyedRef(
        kind=subject.plural, uid=subject.meta.uid, wrapped_key=subject.status.wrapped_key
    )


def own_key(seen: Observed) -> KeyedRef:
    """Return the reference to the resource itself; work is planned only once it has a key."""
    ref = keyed(seen.subject)
    if ref is None:
        raise ValueError("status.wrappedKey is missing: the key is made before the work is planned")
    return ref


def dataset_gate(seen: Observed) -> Finding:
    """Return whether the Dataset of a Model can be learned from."""
    dataset = seen.dataset
    if dataset is None or dataset.deleting:
        return Finding(
            "False", Reason.AWAITING_DATASET, "spec.datasetRef names no Dataset in this namespace"
        )
    owner = _dataset_owner(seen)
    if owner is not None and owner != dataset.meta.uid:
        return Finding(
            "False", Reason.AWAITING_DATASET, "the Dataset that this Model was made for is gone"
        )
    if dataset.finished and not dataset.ready:
        return Finding(
            "False", Reason.DATASET_FAILED, "the Dataset failed; its conditions tell why"
        )
    if not dataset.ready:
        return Finding("False", Reason.AWAITING_DATASET, "the Dataset is not Ready yet")
    return Finding("True", Reason.READY)


def model_gate(seen: Observed) -> Finding:
    """Return whether the Model of a generation or an estimate can be used."""
    model = seen.model
    if model is None or model.deleting:
        return Finding(
            "False", Reason.AWAITING_MODEL, "spec.modelRef names no Model in this namespace"
        )
    if model.finished and not model.ready:
        return Finding("False", Reason.MODEL_FAILED, "the Model failed; its conditions tell why")
    if not model.ready:
        return Finding("False", Reason.AWAITING_MODEL, "the Model is not Ready yet")
    return Finding("True", Reason.READY)


def owned_by_dataset(seen: Observed) -> Object:
    """Return the merge patch that ties a Model to its Dataset: an owner reference and the label."""
    dataset, meta = seen.dataset, seen.subject.meta
    if dataset is None or dataset.deleting:
        return {}
    patch = _labeled(seen, dataset.meta.name)
    if _dataset_owner(seen) is None:
        owner = {
            "apiVersion": API_VERSION,
            "kind": "Dataset",
            "name": dataset.meta.name,
            "uid": dataset.meta.uid,
        }
        patch["ownerReferences"] = [
            *meta.owner_references,
            {**owner, "controller": True, "blockOwnerDeletion": False},
        ]
    return patch


def labeled_by_model(seen: Observed) -> Object:
    """Return the merge patch that labels a result with the Dataset of its Model."""
    if seen.model is None or seen.model.spec is None:
        return {}
    return _labeled(seen, seen.model.spec.dataset_ref.name)


def _labeled(seen: Observed, dataset: str) -> Object:
    return (
        {}
        if seen.subject.meta.labels.get(LABEL_DATASET) == dataset
        else {"labels": {LABEL_DATASET: dataset}}
    )


def _dataset_owner(seen: Observed) -> str | None:
    owners = seen.subject.meta.owner_references
    return next((owner["uid"] for owner in owners if owner.get("kind") == "Dataset"), None)

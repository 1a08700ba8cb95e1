"""A resource and its ancestor: when the work may start, owner and labels, the pods' task."""

from typing import Any

from simulacra_crds.kinds.base import API_VERSION, LABEL_DATASET, LABEL_GIVEN
from simulacra_crds.kube.client import Object
from simulacra_crds.reasons import Reason
from simulacra_crds.registry import BY_KIND
from simulacra_crds.tasks import KeyedRef, TaskSpec
from simulacra_operator.observed.conditions import Finding
from simulacra_operator.observed.custom_resource import CustomResource
from simulacra_operator.observed.observe import Observed, given_name
from simulacra_operator.work.expiry import ended_by_expiry

_EXPIRED = (
    "The dataset or its model expired before this work ended. Upload again, with a longer "
    "retention if the work needs it."
)


_NOT_GIVEN = (
    "The rows of spec.given.datasetRef were cleaned for a model of their own and are not kept as "
    "read. Upload them again with fit: false, a Dataset with purpose Given."
)


def keyed(resource: CustomResource | None) -> KeyedRef | None:
    """Return the reference by which a pod reads a resource's artifacts, None without a key."""
    if resource is None or resource.status.wrapped_key is None:
        return None
    wrapped = resource.status.wrapped_key
    return KeyedRef(kind=resource.plural, uid=resource.meta.uid, wrapped_key=wrapped)


def task(seen: Observed, **fields: Any) -> TaskSpec:
    """Return the task of a resource's pods; `fields` are those of its kind."""
    own = keyed(seen.resource)
    if own is None:
        raise ValueError("status.wrappedKey is missing. Create the key before the Job.")
    name, tenant = BY_KIND[seen.resource.kind].task, seen.tenant_name or ""
    return TaskSpec(task=name, tenant=tenant, resource=own, **fields)


def is_current(dataset: CustomResource) -> bool:
    """Return whether a Dataset was read under the description that is in its spec."""
    read = dataset.status.description
    wanted = dataset.spec.description_digest if dataset.spec is not None else None
    return bool((read.requested if read is not None else None) == wanted)


def dataset_gate(seen: Observed) -> Finding:
    """Return whether a Model can be fit to its Dataset."""
    dataset = seen.dataset
    if dataset is None or dataset.deleting:
        message = "spec.datasetRef names no Dataset in this namespace."
        return Finding("False", Reason.AWAITING_DATASET, message)
    if _dataset_owner(seen) not in (None, dataset.meta.uid):
        message = "The Dataset of this Model is gone; create a Model for the new Dataset."
        return Finding("False", Reason.AWAITING_DATASET, message)
    if dataset.ready and not is_current(dataset):
        message = "The Dataset is being read again, with another description."
        return Finding("False", Reason.AWAITING_DATASET, message)
    return _ancestor_gate(seen, dataset, Reason.AWAITING_DATASET, "Dataset")


def model_gate(seen: Observed) -> Finding:
    """Return whether a generation or an estimate can use its Model."""
    model = seen.model
    limit = seen.tenant_spec.max_retention_seconds
    if model is not None and ended_by_expiry(model, seen.dataset, limit):
        return Finding("False", Reason.EXPIRED, _EXPIRED)
    if model is None or model.deleting:
        message = "spec.modelRef names no Model in this namespace."
        return Finding("False", Reason.AWAITING_MODEL, message)
    return _ancestor_gate(seen, model, Reason.AWAITING_MODEL, "Model")


def given_gate(seen: Observed) -> Finding:
    """Return whether a generation can use its Model, and the Dataset whose rows it completes."""
    gate, name = model_gate(seen), given_name(seen.resource)
    if not gate.true or not name or is_own(seen):
        return gate
    given, limit = seen.given, seen.tenant_spec.max_retention_seconds
    if given is not None and ended_by_expiry(given, None, limit):
        return Finding("False", Reason.EXPIRED, _EXPIRED)
    if given is None or given.deleting:
        message = "The Model is Ready. spec.given.datasetRef names no Dataset in this namespace."
        return Finding("False", Reason.AWAITING_GIVEN_ROWS, message)
    if given.spec is not None and given.spec.purpose != "Given":
        return Finding("False", Reason.REQUEST_INVALID, _NOT_GIVEN)
    return _ancestor_gate(seen, given, Reason.AWAITING_GIVEN_ROWS, "Dataset of the given rows")


def is_own(seen: Observed) -> bool:
    """Return whether the rows that a generation completes are those of its Model's Dataset."""
    name = given_name(seen.resource)
    model = seen.model.spec if seen.model is not None else None
    return not name or (model is not None and model.dataset_ref.name == name)


def _ancestor_gate(seen: Observed, of: CustomResource, waiting: Reason, name: str) -> Finding:
    if of.ready and seen.misfit:
        return Finding("False", Reason.REQUEST_INVALID, seen.misfit)
    if of.ready:
        return Finding("True", Reason.READY)
    if of.finished:
        failed = Reason.MODEL_FAILED if of.kind == "Model" else Reason.DATASET_FAILED
        return Finding("False", failed, f"The {name} failed; see its conditions.")
    return Finding("False", waiting, f"The {name} is not Ready yet.")


def owned_by_dataset(seen: Observed) -> Object:
    """Return the patch that ties a Model to its Dataset: an owner reference and the label."""
    dataset, owners = seen.dataset, seen.resource.meta.owner_references
    if dataset is None or dataset.deleting:
        return {}
    patch = _labeled(seen, dataset.meta.name)
    if _dataset_owner(seen) is None:
        owner = {
            "apiVersion": API_VERSION,
            "kind": "Dataset",
            "name": dataset.meta.name,
            "uid": dataset.meta.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
        patch["ownerReferences"] = [*owners, owner]
    return patch


def labeled_by_model(seen: Observed) -> Object:
    """Return the patch that labels a result with the Dataset of its Model and of given rows."""
    given = given_name(seen.resource)
    labels = {LABEL_GIVEN: given} if given else {}
    if seen.model is not None and seen.model.spec is not None:
        labels[LABEL_DATASET] = seen.model.spec.dataset_ref.name
    return _labels(seen, labels)


def _labeled(seen: Observed, dataset: str) -> Object:
    return _labels(seen, {LABEL_DATASET: dataset})


def _labels(seen: Observed, labels: dict[str, str]) -> Object:
    known = seen.resource.meta.labels
    missing = {name: value for name, value in labels.items() if known.get(name) != value}
    return {"labels": missing} if missing else {}


def _dataset_owner(seen: Observed) -> str | None:
    owners = seen.resource.meta.owner_references
    return next((owner["uid"] for owner in owners if owner.get("kind") == "Dataset"), None)

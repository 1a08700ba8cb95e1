"""What tells one kind of work from another; everything else is shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import TaskResult
from simulacra_crds.kinds.base import KubeModel
from simulacra_crds.kube.client import Object
from simulacra_operator.runtime.actions import Action
from simulacra_operator.work.conditions import Finding
from simulacra_operator.work.jobs import Work
from simulacra_operator.work.observed import Observed


@dataclass(frozen=True)
class WorkKind:
    """A kind whose work is one Job.

    Attributes:
        gate_condition: condition that must hold before the work starts.
        gate_passed: reason of that condition once it holds.
        work_condition: condition that says that the work is done.
        gate: finding of the gate condition; a `Reason` of `FINAL` ends the resource as failed.
        request: parameters of the work, to be stored encrypted.
        work: the Job to be.
        done: reason of the work condition and fields of status, from the results of all shards.
        adoption: merge patch of metadata that ties the resource to what it descends from; empty when it is tied.
        record: what the audit log is to say of work that ended, from all shards' results; from none, when it failed.
        discard: what goes before work that failed for good says so: it can be of no use any more.
        makes_key: whether the operator makes the data key (else the API did, before the upload).
    """

    gate_condition: str
    gate_passed: Reason
    work_condition: str
    gate: Callable[[Observed], Finding]
    request: Callable[[Observed], KubeModel]
    work: Callable[[Observed], Work]
    done: Callable[[Sequence[TaskResult]], tuple[Reason, dict[str, Any]]]
    adoption: Callable[[Observed], Object]
    record: Callable[[Sequence[TaskResult]], tuple[Action, ...]] = lambda _: ()
    discard: Callable[[Observed], tuple[Action, ...]] = lambda _: ()
    makes_key: bool = True


FINAL = frozenset(
    {
        Reason.DATASET_FAILED,
        Reason.MODEL_FAILED,
        Reason.REQUEST_INVALID,
        Reason.SOURCE_NOT_ALLOWED,
        Reason.SOURCE_TOO_LARGE,
    }
)
"""Reasons of a gate that no waiting will change."""


def untied(seen: Observed) -> Object:
    """Adoption of a kind that descends from nothing."""
    return {}

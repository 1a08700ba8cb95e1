"""What distinguishes the kinds whose work is one Job; all else is shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from simulacra_crds.kube.client import Object
from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import TaskResult
from simulacra_operator.observed.conditions import Finding
from simulacra_operator.observed.observe import Observed
from simulacra_operator.work.actions import Action
from simulacra_operator.work.jobs import Work
from simulacra_operator.work.stage import Stage
from simulacra_schema.base import KubeModel


@dataclass(frozen=True)
class WorkKind:
    """A kind whose work is one Job.

    Attributes:
        gate_condition: condition that must be True before the work starts.
        gate_passed: reason of that condition once it is True.
        work_condition: condition that is True once the work is done.
        gate: finding of the gate condition; a reason in `FINAL` fails the resource.
        request: parameters of the work, which are stored encrypted.
        work: the Job to create.
        done: reason of the work condition and fields of status, from the results of all shards.
        adoption: metadata patch that ties the resource to its ancestor; empty when it is tied.
        record: audit records of ended work, from the results; from none when it failed.
        discard: actions before work is marked as failed for good, for this reason.
        inputs: actions that store what the Job reads besides its request.
        again: whether finished work must run again.
        outdated: whether the Job works on a request that has changed since.
        hold_stage: the stage of work that needs no Job although it is not finished.
        ending: the stage of work that has just ended, from that of the lifecycle and the results.
        makes_key: whether the operator creates the data key (else the API did, before the upload).
        variant: the kind to follow instead, where the resource decides it.
    """

    gate_condition: str
    gate_passed: Reason
    work_condition: str
    gate: Callable[[Observed], Finding]
    request: Callable[[Observed], KubeModel]
    work: Callable[[Observed], Work]
    done: Callable[[Sequence[TaskResult]], tuple[Reason, dict[str, Any]]]
    adoption: Callable[[Observed], Object] = lambda _: {}
    record: Callable[[Sequence[TaskResult]], tuple[Action, ...]] = lambda _: ()
    discard: Callable[[Observed, str], tuple[Action, ...]] = lambda *_: ()
    inputs: Callable[[Observed], tuple[Action, ...]] = lambda _: ()
    again: Callable[[Observed], bool] = lambda _: False
    outdated: Callable[[Observed], bool] = lambda _: False
    hold_stage: Callable[[Observed], Stage | None] = lambda _: None
    ending: Callable[[Observed, Stage, Sequence[TaskResult]], Stage] = lambda _, stage, __: stage
    makes_key: bool = True
    variant: Callable[[Observed], WorkKind] | None = None


FINAL = frozenset(
    {
        Reason.DATASET_FAILED,
        Reason.EXPIRED,
        Reason.MODEL_FAILED,
        Reason.REQUEST_INVALID,
        Reason.SOURCE_NOT_ALLOWED,
        Reason.SOURCE_TOO_LARGE,
    }
)
"""Reasons of a gate that waiting cannot change."""

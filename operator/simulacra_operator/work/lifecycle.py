"""From a resource to its result: wait for what it needs, run one Job, keep what the Job says.

Pure: `reconcile` looks at facts and returns actions. Every pass starts from the facts, so it does not matter which
event started it, how many were missed, or where the pass before was cut off.
"""

from __future__ import annotations

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.kinds.base import LABEL_UID, LastFailure, Phase
from simulacra_crds.kube.client import Object
from simulacra_operator.runtime.actions import (
    Action,
    CreateJob,
    CreateService,
    DeleteJob,
    LogFailure,
    MakeKey,
    PatchMeta,
    PatchStatus,
    SuspendJob,
    WriteRequest,
)
from simulacra_operator.work import erasure, jobs, outcome
from simulacra_operator.work.conditions import Finding
from simulacra_operator.work.kind import FINAL, WorkKind
from simulacra_operator.work.observed import Fault, Observed
from simulacra_operator.work.placement import QUEUE_LABEL, queued
from simulacra_operator.work.pod_startup import explained, stalled
from simulacra_operator.work.status import Stage, settled_status, work_status

_SUSPENDED = Finding("False", Reason.SUSPENDED, "set spec.suspend to false to go on")


def reconcile(kind: WorkKind, seen: Observed) -> list[Action]:
    """Return what is to be done about one resource now; nothing when all is as it should be."""
    if seen.subject.deleting:
        return erasure.reconcile(seen, kind.record)
    if not seen.subject.guarded:
        return []  # kopf is about to put the finalizer on, and that event calls again
    if seen.subject.finished:
        patch = settled_status(seen)
        return [*([PatchStatus(patch)] if patch else []), *_tidy(seen)]
    if adoption := kind.adoption(seen):
        return [PatchMeta(adoption)]
    stage = _stage(kind, seen)
    patch = work_status(kind, seen, stage)
    if stage.needs_key:
        return [MakeKey(patch)]
    return [*stage.before, *([PatchStatus(patch)] if patch else []), *stage.after]


def _stage(kind: WorkKind, seen: Observed) -> Stage:
    if seen.subject.spec is None:
        invalid = "the spec holds a name or a value beyond the limits that `kubectl explain` shows; create another"
        return _refused(kind, seen, Finding("False", Reason.REQUEST_INVALID, invalid))
    if seen.job is not None:
        return _follow(kind, seen)
    gate = kind.gate(seen)
    if gate.reason in FINAL:
        return _refused(kind, seen, gate)
    if not gate.true:
        return _waiting(gate, Finding("Unknown", gate.reason, gate.message))
    return _hold(seen, gate) or _start(kind, seen, gate)


def _refused(kind: WorkKind, seen: Observed, gate: Finding) -> Stage:
    failure = LastFailure(
        reason=gate.reason, message=gate.message, time=seen.now.replace(microsecond=0)
    )
    work = Finding("False", gate.reason, gate.message)
    before = kind.discard(seen)
    return Stage(
        gate, work, Phase.FAILED, before=before, after=_tidy(seen), ended=True, failure=failure
    )


def _waiting(gate: Finding, work: Finding) -> Stage:
    return Stage(gate, work, Phase.SUSPENDED if work.reason == Reason.SUSPENDED else Phase.PENDING)


def _hold(seen: Observed, gate: Finding) -> Stage | None:
    """Return why work that could start must not start yet."""
    if seen.suspended:
        return _waiting(gate, _SUSPENDED)
    if seen.tenant is None or not seen.tenant.ready:
        return _waiting(
            gate,
            Finding("False", Reason.AWAITING_TENANT, "the tenant is not Ready; see its conditions"),
        )
    if not seen.place:
        limit = seen.tenant_spec.quotas.concurrent_jobs
        message = f"the tenant's quota of {limit} concurrent jobs is in use; the oldest resource that waits starts next"
        return _waiting(gate, Finding("False", Reason.AWAITING_QUOTA, message))
    return None


def _start(kind: WorkKind, seen: Observed, gate: Finding) -> Stage:
    work, phase = Finding("False", Reason.JOB_RUNNING), Phase.RUNNING
    if (queue := seen.settings.placement.queue) is not None:
        work, phase = _queued(queue), Phase.PENDING
    if seen.fault is not None:
        reason = (
            Reason.CUSTODY_UNAVAILABLE
            if seen.fault in (Fault.CUSTODY, Fault.AUDIT)
            else Reason.INTERNAL
        )
        work, phase = (
            Finding("False", reason, f"the {seen.fault.value} refused; trying again"),
            Phase.PENDING,
        )
    if kind.makes_key and seen.subject.status.wrapped_key is None:
        return Stage(gate, work, phase, needs_key=True, percent=0)
    request = kind.request(seen).model_dump_json(by_alias=True, exclude_none=True).encode()
    start = (WriteRequest(request), CreateJob(jobs.manifest(seen, kind.work(seen))))
    return Stage(gate, work, phase, after=start, percent=0)


def _follow(kind: WorkKind, seen: Observed) -> Stage:
    job = seen.job or {}
    gate = Finding("True", kind.gate_passed)
    if job["metadata"].get("labels", {}).get(LABEL_UID) != seen.subject.meta.uid:
        message = (
            "a Job of another resource has the name that this resource's Job needs; delete that Job"
        )
        return _waiting(gate, Finding("False", Reason.INTERNAL, message))
    together = (
        jobs.LABEL_WORKERS in job["metadata"]["labels"]
    )  # workers of one fit: the first has the result
    shards = 1 if together else int(job["spec"].get("completions") or 1)
    state = outcome.judge(job, seen.pods, shards, seen.now.replace(microsecond=0))
    if isinstance(state, outcome.Succeeded):
        reason, fields = kind.done(state.results)
        phase = Phase.PARTIAL if reason == Reason.GENERATED_PARTIALLY else Phase.READY
        work = Finding("True", reason)
        record = kind.record(state.results)
        return Stage(
            gate,
            work,
            phase,
            before=record,
            after=_tidy(seen),
            ended=True,
            percent=100,
            fields=fields,
        )
    if isinstance(state, outcome.Lost) and not _lost_before(seen, state):
        work = Finding("False", Reason.JOB_RETRYING, state.failure.message)
        return Stage(gate, work, Phase.RUNNING, after=_tidy(seen), failure=state.failure)
    if isinstance(state, outcome.Failed | outcome.Lost):
        failure = explained(seen, kind.work_condition, state.failure)
        discard = kind.discard(seen)
        if (
            discard
            and seen.fault is not None
            and not _said(seen, kind.work_condition, Reason.ERASURE_BLOCKED)
        ):
            message = f"the work failed; the {seen.fault.value} refused as what it leaves was erased; trying again"
            return Stage(
                gate,
                Finding("False", Reason.ERASURE_BLOCKED, message),
                Phase.RUNNING,
                failure=failure,
            )
        work = Finding("False", Reason(failure.reason), failure.message)
        note = LogFailure(
            failure.reason, failure.message, outcome.support_id(job), failure.exit_code
        )
        before = (*kind.record(()), *discard, note)
        return Stage(
            gate, work, Phase.FAILED, before=before, after=_tidy(seen), ended=True, failure=failure
        )
    return _running(kind, seen, gate, state, shards)


def _said(seen: Observed, condition: str, reason: Reason) -> bool:
    return any(
        one.type == condition and one.reason == reason for one in seen.subject.status.conditions
    )


def _lost_before(seen: Observed, state: outcome.Lost) -> bool:
    """Whether an earlier Job lost its result too: the time of a failure tells one Job from another."""
    known = seen.subject.status.last_failure
    return (
        known is not None
        and known.message == state.failure.message
        and known.time != state.failure.time
    )


def _running(
    kind: WorkKind, seen: Observed, gate: Finding, state: outcome.Running, shards: int
) -> Stage:
    job = seen.job or {}
    gone = job["metadata"].get("deletionTimestamp") is not None
    percent = state.succeeded * 100 // shards if shards > 1 else 0
    failure = state.failure
    if seen.suspended:
        work, phase, failure = _SUSPENDED, Phase.SUSPENDED, None
    elif queued(job) and job["spec"].get("suspend"):
        work, phase = _queued(job["metadata"]["labels"][QUEUE_LABEL]), Phase.PENDING
    elif failure is not None:
        work, phase = Finding("False", Reason.JOB_RETRYING, failure.message), Phase.RUNNING
    elif (found := stalled(seen, kind.work_condition)) is not None:
        work, phase = found, Phase.RUNNING
    else:
        work, phase = Finding("False", Reason.JOB_RUNNING), Phase.RUNNING
    after = () if gone else (*_meet(seen, job), *_suspend(seen, job))
    return Stage(gate, work, phase, after=after, failure=failure, percent=percent)


def _suspend(seen: Observed, job: Object) -> tuple[Action, ...]:
    """Return what makes a Job run or rest as is wanted.

    Kueue would resume a Job that it has admitted. So a queued one is deleted, with its place in the queue, and made
    again: what is stored of its work is found by the next one.
    """
    if queued(job):
        return (
            (DeleteJob(seen.job_name, job["metadata"]["uid"], wait=True),) if seen.suspended else ()
        )
    changes = bool(job["spec"].get("suspend")) != seen.suspended
    return (SuspendJob(seen.job_name, seen.suspended),) if changes else ()


def _meet(seen: Observed, job: Object) -> tuple[Action, ...]:
    """Return the Service of a Job's workers where it is missing."""
    service = None if seen.suspended or seen.service is not None else jobs.meeting_point(seen, job)
    return () if service is None else (CreateService(service),)


def _queued(queue: str) -> Finding:
    message = f"the Job waits in the Kueue queue {queue} for quota; `kubectl get workloads` tells its place"
    return Finding("False", Reason.QUEUED_BY_KUEUE, message)


def _tidy(seen: Observed) -> tuple[Action, ...]:
    """Return the deletion of a Job that has nothing left to say, its pods and their logs with it."""
    if seen.job is None or seen.job["metadata"].get("deletionTimestamp") is not None:
        return ()
    if seen.job["metadata"].get("labels", {}).get(LABEL_UID) != seen.subject.meta.uid:
        return ()
    return (DeleteJob(seen.job_name, seen.job["metadata"]["uid"], wait=False),)

"""Life of a resource: wait for its ancestor, run one Job, keep the Job's results.

`reconcile` is pure: it looks at the observed state and returns actions. Every pass starts from the
state, so missed events and an interrupted earlier pass make no difference.
"""

from simulacra_crds.kinds.base import LastFailure, Phase
from simulacra_crds.kube.client import Object
from simulacra_crds.reasons import Reason
from simulacra_custody.audit.event import Outcome
from simulacra_operator.observed.conditions import Finding
from simulacra_operator.observed.observe import Observed
from simulacra_operator.observed.placement import LABEL_WORKERS, QUEUE_LABEL, queued
from simulacra_operator.observed.pod_refusal import never_admitted
from simulacra_operator.work import actions as act
from simulacra_operator.work import erasure, jobs, outcome
from simulacra_operator.work.kind import FINAL, WorkKind
from simulacra_operator.work.pod_startup import explained, is_failing, stalled
from simulacra_operator.work.stage import Stage
from simulacra_operator.work.status import settled_status, work_status

_RUNNING = Finding("False", Reason.JOB_RUNNING)
_SUSPENDED = Finding("False", Reason.SUSPENDED, "Set spec.suspend to false to resume.")
_NO_TENANT = Finding(
    "False",
    Reason.AWAITING_TENANT,
    "This namespace belongs to no Tenant. Create the resource in the namespace of one, "
    "`tenant-NAME`; `kubectl get tenants` lists them.",
)
_INVALID = (
    "The spec has a name or value beyond the limits that `kubectl explain` shows. "
    "Create another resource."
)
_FOREIGN_JOB = (
    "Another resource's Job has the name that this resource's Job needs. Delete that Job."
)


def reconcile(kind: WorkKind, seen: Observed) -> list[act.Action]:
    """Return the actions for one resource, empty when nothing has to change."""
    if kind.variant is not None:
        kind = kind.variant(seen)
    if seen.resource.deleting:
        return erasure.reconcile(seen, kind.record)
    if not seen.resource.guarded:
        return []  # kopf adds the finalizer, and the event of that starts another pass
    if seen.resource.finished and not kind.again(seen):
        patch = settled_status(seen)
        status = [act.PatchStatus(patch)] if patch else []
        return [*_keep(seen), *status, *_delete_job(seen)]
    if adoption := kind.adoption(seen):
        return [act.PatchMeta(adoption)]
    stage = _stage(kind, seen)
    patch = work_status(kind, seen, stage)
    if stage.needs_key:
        return [act.CreateKey(patch)]
    before = (*(_keep(seen) if stage.ended else ()), *stage.before)
    return [*before, *([act.PatchStatus(patch)] if patch else []), *stage.after]


def _keep(seen: Observed) -> tuple[act.Action, ...]:
    """Return the patch after which a result outlives its Model.

    While the work runs, the garbage collector may delete a result whose Model is gone.
    """
    if not seen.resource.collected:
        return ()
    return (act.PatchMeta({"ownerReferences": seen.resource.kept_owners or None}),)


def _stage(kind: WorkKind, seen: Observed) -> Stage:
    if seen.resource.spec is None:
        return _refused(kind, seen, Finding("False", Reason.REQUEST_INVALID, _INVALID))
    if seen.job is not None:
        return _follow(kind, seen, seen.job)
    if (held := kind.hold_stage(seen)) is not None:
        return held
    gate = kind.gate(seen)
    if gate.reason in FINAL:
        return _refused(kind, seen, gate)
    if seen.tenant is None:  # said first, because nothing else helps before it
        return _waiting(_NO_TENANT, _NO_TENANT)
    if not gate.true:
        return _waiting(gate, Finding("Unknown", gate.reason, gate.message))
    return _hold(seen, gate) or _start(kind, seen, gate)


def _refused(kind: WorkKind, seen: Observed, gate: Finding) -> Stage:
    now = seen.now.replace(microsecond=0)
    return Stage(
        gate,
        Finding("False", gate.reason, gate.message),
        Phase.FAILED,
        before=kind.discard(seen, gate.reason),
        after=_delete_job(seen),
        ended=True,
        failure=LastFailure(reason=gate.reason, message=gate.message, time=now),
    )


def _waiting(gate: Finding, work: Finding) -> Stage:
    return Stage(gate, work, Phase.SUSPENDED if work.reason == Reason.SUSPENDED else Phase.PENDING)


def _hold(seen: Observed, gate: Finding) -> Stage | None:
    """Return why work that could start must not start yet."""
    if seen.suspended:
        return _waiting(gate, _SUSPENDED)
    if seen.tenant is None or not seen.tenant.ready:
        message = "The tenant is not Ready; see its conditions."
        return _waiting(gate, Finding("False", Reason.AWAITING_TENANT, message))
    if not seen.slot:
        limit = seen.tenant_spec.quotas.concurrent_jobs
        message = (
            f"All {limit} concurrent jobs of the tenant's quota are in use; "
            "kinds take turns, the oldest waiting resource of each first."
        )
        return _waiting(gate, Finding("False", Reason.AWAITING_QUOTA, message))
    return None


def _start(kind: WorkKind, seen: Observed, gate: Finding) -> Stage:
    work, phase = _RUNNING, Phase.RUNNING
    if (queue := seen.settings.placement.queue) is not None:
        work, phase = _queued(queue), Phase.PENDING
    if seen.fault is not None:
        reason = Reason.CUSTODY_UNAVAILABLE if seen.fault.of_custody else Reason.INTERNAL
        work, phase = Finding("False", reason, f"{seen.fault.failed} Retrying."), Phase.PENDING
    if kind.makes_key and seen.resource.status.wrapped_key is None:
        return Stage(gate, work, phase, needs_key=True, percent=0)
    request = kind.request(seen).model_dump_json(by_alias=True, exclude_none=True).encode()
    job = act.CreateJob(jobs.manifest(seen, kind.work(seen)))
    start = (*kind.inputs(seen), act.WriteRequest(request), job)
    return Stage(gate, work, phase, after=start, percent=0)


def _follow(kind: WorkKind, seen: Observed, job: Object) -> Stage:
    gate, expired = Finding("True", kind.gate_passed), _expired(kind, seen)
    if seen.own_job is None:
        if expired is not None:
            return _refused(kind, seen, expired)
        return _waiting(gate, Finding("False", Reason.INTERNAL, _FOREIGN_JOB))
    if kind.outdated(seen):
        return _stopping(seen, gate, _RUNNING, job)
    # the first of a fit's workers has the result of all
    labels = job["metadata"].get("labels", {})
    shards = 1 if LABEL_WORKERS in labels else int(job["spec"].get("completions") or 1)
    state = outcome.judge(job, seen.pods, shards, seen.now.replace(microsecond=0))
    if isinstance(state, outcome.Succeeded):
        return _succeeded(kind, seen, gate, job, state)
    if expired is not None and not isinstance(state, outcome.Failed):
        return _stopping(seen, expired, expired, job)
    if isinstance(state, outcome.Running):
        return _running(kind, seen, gate, job, state, shards)
    if isinstance(state, outcome.Lost) and not _lost_before(seen, state):
        work = Finding("False", Reason.JOB_RETRYING, state.failure.message)
        new = _retried(seen, job, state.failure)
        noted: tuple[act.Action, ...] = (_ended(job, Outcome.FAILED), *new) if new else ()
        after = _delete_job(seen)
        return Stage(gate, work, Phase.RUNNING, before=noted, after=after, failure=state.failure)
    return _failed(kind, seen, gate, job, state.failure)


def _succeeded(
    kind: WorkKind, seen: Observed, gate: Finding, job: Object, state: outcome.Succeeded
) -> Stage:
    reason, fields = kind.done(state.results)
    stage = Stage(
        gate,
        Finding("True", reason),
        Phase.PARTIAL if reason == Reason.GENERATED_PARTIALLY else Phase.READY,
        before=(*kind.record(state.results), _ended(job, Outcome.SUCCESS)),
        after=_delete_job(seen),
        ended=True,
        percent=100,
        fields=fields,
    )
    return kind.ending(seen, stage, state.results)


def _failed(
    kind: WorkKind, seen: Observed, gate: Finding, job: Object, failure: LastFailure
) -> Stage:
    failure = explained(seen, kind.work_condition, failure)
    discard = kind.discard(seen, failure.reason)
    if discard and seen.fault is not None and not _erasure_blocked(seen, kind.work_condition):
        message = f"The work failed. {seen.fault.failed} Retrying to erase what it left."
        work = Finding("False", Reason.ERASURE_BLOCKED, message)
        return Stage(gate, work, Phase.RUNNING, failure=failure)
    stage = Stage(
        gate,
        Finding("False", Reason(failure.reason), failure.message),
        Phase.FAILED,
        before=(*kind.record(()), *discard, _ended(job, Outcome.FAILED), _note(job, failure)),
        after=_delete_job(seen),
        ended=True,
        failure=failure,
    )
    return kind.ending(seen, stage, ())


def _ended(job: Object, result: Outcome) -> act.RecordJob:
    return act.RecordJob(job["metadata"]["uid"], result)


def _note(job: Object, failure: LastFailure, *, retried: bool = False) -> act.LogFailure:
    support = outcome.support_of(job)
    return act.LogFailure(failure.reason, failure.message, support, failure.exit_code, retried)


def _erasure_blocked(seen: Observed, condition: str) -> bool:
    """Return whether the condition already says so, so that the erasure is retried."""
    return any(
        one.type == condition and one.reason == Reason.ERASURE_BLOCKED
        for one in seen.resource.status.conditions
    )


def _lost_before(seen: Observed, state: outcome.Lost) -> bool:
    """Return whether an earlier Job lost its result too; its failure has another time."""
    known = seen.resource.status.last_failure
    if known is None or known.message != state.failure.message:
        return False
    return bool(known.time != state.failure.time)


def _running(
    kind: WorkKind, seen: Observed, gate: Finding, job: Object, state: outcome.Running, shards: int
) -> Stage:
    failure = state.failure
    work, phase = _RUNNING, Phase.RUNNING
    if seen.suspended:
        work, phase, failure = _SUSPENDED, Phase.SUSPENDED, None
    elif queued(job) and job["spec"].get("suspend"):
        waits = _queued(job["metadata"]["labels"][QUEUE_LABEL])
        work, phase = never_admitted(seen.refusal) or waits, Phase.PENDING
    elif failure is not None:
        work = Finding("False", Reason.JOB_RETRYING, failure.message)
    elif (found := stalled(seen, kind.work_condition)) is not None:
        work = found
    after: tuple[act.Action, ...] = ()
    if job["metadata"].get("deletionTimestamp") is None:
        after = (*_service(seen, job), *_suspend(seen, job))
    percent = state.succeeded * 100 // shards if shards > 1 else 0
    noted = _retried(seen, job, failure)
    if seen.vanished and not (seen.suspended or _is_ending(job)):
        gone = outcome.interrupted(job, seen.now.replace(microsecond=0))
        noted, failure = (*noted, _note(job, gone, retried=True)), failure or gone
    return Stage(gate, work, phase, before=noted, after=after, failure=failure, percent=percent)


def _is_ending(job: Object) -> bool:
    return job["metadata"].get("deletionTimestamp") is not None or is_failing(job)


def _retried(
    seen: Observed, job: Object, failure: LastFailure | None
) -> tuple[act.LogFailure, ...]:
    """Return the log of a failure that is retried, once: its pod may be gone in the next pass."""
    known = seen.resource.status.last_failure
    if failure is None or failure == known:
        return ()
    return (_note(job, failure, retried=True),)


def _expired(kind: WorkKind, seen: Observed) -> Finding | None:
    """Return the finding that ends running work, because the Model that it uses has expired."""
    gate = kind.gate(seen)
    return gate if gate.reason == Reason.EXPIRED else None


def _stopping(seen: Observed, gate: Finding, work: Finding, job: Object) -> Stage:
    """Delete the Job first, with its pods: a Model is erased, or a table is read again, after."""
    after: tuple[act.Action, ...] = ()
    if job["metadata"].get("deletionTimestamp") is None:
        after = (act.DeleteJob(seen.job_name, job["metadata"]["uid"], wait=True),)
    return Stage(gate, work, Phase.RUNNING, after=after)


def _suspend(seen: Observed, job: Object) -> tuple[act.Action, ...]:
    """Return the action that suspends or resumes a Job, if it is needed.

    Kueue would resume an admitted Job. So a queued Job is deleted, with its place in the queue, and
    created again later; the next one finds what is stored of its work.
    """
    if not queued(job):
        changes = bool(job["spec"].get("suspend")) != seen.suspended
        return (act.SuspendJob(seen.job_name, seen.suspended),) if changes else ()
    uid = job["metadata"]["uid"]
    return (act.DeleteJob(seen.job_name, uid, wait=True),) if seen.suspended else ()


def _service(seen: Observed, job: Object) -> tuple[act.Action, ...]:
    """Return the creation of the workers' Service where it is missing."""
    if seen.suspended or seen.service is not None:
        return ()
    service = jobs.leader_service(seen, job)
    return () if service is None else (act.CreateService(service),)


def _queued(queue: str) -> Finding:
    message = (
        f"The Job waits for quota in the Kueue queue {queue}; see `kubectl get workloads` "
        "for its position."
    )
    return Finding("False", Reason.QUEUED_BY_KUEUE, message)


def _delete_job(seen: Observed) -> tuple[act.Action, ...]:
    """Return the deletion of our Job, its pods and their logs once nothing reads them."""
    job = seen.own_job
    if job is None or job["metadata"].get("deletionTimestamp") is not None:
        return ()
    return (act.DeleteJob(seen.job_name, job["metadata"]["uid"], wait=False),)

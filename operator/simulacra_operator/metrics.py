"""Prometheus metrics of the operator; labels are kinds, verbs and constants, never names."""

from prometheus_client import Counter, Gauge, Histogram

from simulacra_crds.kube.client import WORK_RESOURCES
from simulacra_crds.reasons import Reason

PASSES = Counter("simulacra_reconcile_total", "Reconcile passes.", ["kind", "result"])
PASS_SECONDS = Histogram("simulacra_reconcile_seconds", "Duration of a pass.", ["kind"])
QUEUE_DEPTH = Gauge("simulacra_queue_depth", "Resources in the queue.")
QUEUE_LAG = Histogram("simulacra_queue_lag_seconds", "Delay of a pass after it was due.")
CUSTODY_CALLS = Histogram("simulacra_custody_call_seconds", "Duration of a custody call.", ["verb"])
CUSTODY_ERRORS = Counter("simulacra_custody_errors_total", "Custody calls that raised.", ["verb"])
RESOURCES = Gauge(
    "simulacra_resources", "Resources by kind and phase at the last sweep.", ["kind", "phase"]
)
EXPIRED = Counter("simulacra_expired_total", "Deletions by the sweep.", ["kind", "reason"])
EXPIRY_LAG = Histogram("simulacra_expiry_lag_seconds", "Delay of a deletion after the expiry.")
EXPIRED_NOT_ERASED = Gauge(
    "simulacra_expired_not_erased", "Expired resources that are not erased yet."
)
STUCK_DELETIONS = Gauge(
    "simulacra_stuck_deletions", "Resources and Tenants in deletion for over 10 minutes."
)
API_WRITES = Counter("simulacra_api_writes_total", "Writes sent to the API server.", ["resource"])
ORPHANS = Counter("simulacra_orphan_objects_total", "Erased objects whose resource was gone.")
FOREIGN = Gauge(
    "simulacra_foreign_objects", "Unknown objects under tenants/ in the store, which stay."
)
STORE_FOREIGN = Gauge(
    "simulacra_store_foreign",
    "1 when the store is another installation's or lost its mark: the operator does nothing.",
)
WEBHOOKS = Counter(
    "simulacra_webhook_messages_total", "Delivery attempts of webhook messages.", ["outcome"]
)
AUDIT_SIGNED = Gauge(
    "simulacra_audit_signed_events", "Audit events covered by the newest checkpoint."
)
AUDIT_CORRUPT = Gauge(
    "simulacra_audit_corrupt", "1 since the audit log was found changed, until it is accepted."
)
AUDIT_CHECKED = Counter(
    "simulacra_audit_checked_segments_total", "Segments that the check of the audit log verified."
)
CANARY_LIVES = Counter("simulacra_canary_lives_total", "Runs of the canary.", ["verdict"])
CANARY_LEAKS = Gauge(
    "simulacra_canary_leaks", "Places in which the last run of the canary left a mark."
)
CANARY_UNSEARCHED = Gauge(
    "simulacra_canary_unsearched", "Places that could not be searched after its last run."
)
CANARY_ENDED = Gauge(
    "simulacra_canary_ended_timestamp_seconds",
    "When the canary last ended a run, or if none ended, when the first began; 0 before.",
)
LEADER = Gauge("simulacra_operator_leader", "1 in the leader, 0 in a standby.")
SWEEP_AGE = Gauge("simulacra_sweep_age_seconds", "Seconds since the last completed sweep.")
WORK_FAILED = Counter(
    "simulacra_work_failed_total", "Jobs that failed for good.", ["kind", "reason"]
)
INSTALLATION_FAULTS = (
    Reason.OUT_OF_MEMORY,
    Reason.INTERRUPTED,
    Reason.DEADLINE_EXCEEDED,
    Reason.POD_NOT_STARTING,
    Reason.CUSTODY_UNAVAILABLE,
    Reason.RESULT_INVALID,
    Reason.INTERNAL,
)
"""Reasons of failures that no customer's input causes."""
for _kind in WORK_RESOURCES:
    for _reason in INSTALLATION_FAULTS:
        # A series that begins at 1 has no increase, so an alert would miss the first failure.
        WORK_FAILED.labels(_kind.kind, _reason)

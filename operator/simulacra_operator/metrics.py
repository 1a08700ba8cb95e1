"""Prometheus metrics of the operator. Labels are kinds, verbs and constants; never names of customers' resources."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

PASSES = Counter("simulacra_reconcile_total", "Passes of the reconciler.", ["kind", "result"])
PASS_SECONDS = Histogram("simulacra_reconcile_seconds", "Duration of a pass.", ["kind"])
QUEUE_DEPTH = Gauge("simulacra_queue_depth", "Resources that wait for a pass.")
QUEUE_LAG = Histogram("simulacra_queue_lag_seconds", "From the time a pass was due to its start.")
CUSTODY_CALLS = Histogram("simulacra_custody_call_seconds", "Duration of a custody call.", ["verb"])
CUSTODY_ERRORS = Counter("simulacra_custody_errors_total", "Custody calls that raised.", ["verb"])
RESOURCES = Gauge(
    "simulacra_resources", "Resources by kind and phase, as of the last sweep.", ["kind", "phase"]
)
EXPIRED = Counter(
    "simulacra_expired_total", "Deletions asked for by the sweep.", ["kind", "reason"]
)
EXPIRY_LAG = Histogram("simulacra_expiry_lag_seconds", "From expiry to the deletion request.")
EXPIRED_NOT_ERASED = Gauge(
    "simulacra_expired_not_erased", "Resources past their expiry that are still there."
)
STUCK_DELETIONS = Gauge(
    "simulacra_stuck_deletions", "Resources and Tenants in deletion for over 10 minutes."
)
API_WRITES = Counter("simulacra_api_writes_total", "Writes sent to the API server.", ["resource"])
ORPHANS = Counter(
    "simulacra_orphan_objects_total", "Stored objects erased because their resource was gone."
)
FOREIGN = Gauge(
    "simulacra_foreign_objects",
    "Objects under tenants/ in the store that are no artefacts; left alone.",
)
STORE_FOREIGN = Gauge(
    "simulacra_store_foreign", "1 where the store is another installation's and nothing is done."
)
WEBHOOKS = Counter(
    "simulacra_webhook_messages_total", "Tries to deliver a webhook message.", ["outcome"]
)
AUDIT_SIGNED = Gauge(
    "simulacra_audit_signed_events", "Events of the audit log under its newest checkpoint."
)
AUDIT_CORRUPT = Gauge(
    "simulacra_audit_corrupt", "1 when the audit log does not continue its last checkpoint."
)
LEADER = Gauge("simulacra_operator_leader", "1 in the process that acts, 0 in one that stands by.")
SWEEP_AGE = Gauge("simulacra_sweep_age_seconds", "Seconds since the last completed sweep.")

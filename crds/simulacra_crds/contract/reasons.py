"""Reasons of conditions, failures and events: documented constants that programs may rely on."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a condition has its status. The docstring under each is its documentation."""

    # Waiting
    AWAITING_UPLOAD = "AwaitingUpload"
    """The bytes of the upload are not complete yet."""
    AWAITING_TENANT = "AwaitingTenant"
    """The tenant is not Ready."""
    AWAITING_DATASET = "AwaitingDataset"
    """The Dataset is missing or not Ready."""
    AWAITING_MODEL = "AwaitingModel"
    """The Model is missing or not Ready."""
    AWAITING_QUOTA = "AwaitingQuota"
    """The tenant runs as many jobs, or stores as many bytes, as its quota allows."""
    QUEUED_BY_KUEUE = "QueuedByKueue"
    """Its Job is made and waits in a queue of Kueue's until the quota has room for it."""
    SUSPENDED = "Suspended"
    """spec.suspend is true, or the tenant is suspended."""
    JOB_RUNNING = "JobRunning"
    """A Job works on it."""
    POD_NOT_STARTING = "PodNotStarting"
    """A Job is there, but a pod of it does not start: it fits no node, or its image cannot be pulled."""
    SOURCE_SECRET_MISSING = "SourceSecretMissing"  # noqa: S105 - a word, no secret
    """The pod that reads spec.source.uri waits for the Secret that the Tenant's spec.sources names, or a key of it."""
    JOB_RETRYING = "JobRetrying"
    """A pod failed for a reason that may pass; the Job tries again."""

    # Done
    UPLOADED = "Uploaded"
    SOURCE_ALLOWED = "SourceAllowed"
    """The Tenant lets spec.source.uri be read."""
    PREPARED = "Prepared"
    FITTED = "Fitted"
    GENERATED = "Generated"
    GENERATED_PARTIALLY = "GeneratedPartially"
    """Rows were generated; at least one condition could not be met to the row."""
    ESTIMATED = "Estimated"
    READY = "Ready"

    # Failed: the customer's input
    UPLOAD_INVALID = "UploadInvalid"
    """The upload cannot be read as a table within the limits."""
    TABLE_TOO_SMALL = "TableTooSmall"
    """Fewer than 2 usable columns or too few rows to learn from."""
    CONDITIONS_INFEASIBLE = "ConditionsInfeasible"
    """No row of the learned distribution meets the conditions."""
    REQUEST_INVALID = "RequestInvalid"
    """A parameter does not fit the data (an unknown column, a level that does not exist)."""
    DATASET_FAILED = "DatasetFailed"
    MODEL_FAILED = "ModelFailed"
    SOURCE_NOT_ALLOWED = "SourceNotAllowed"
    """spec.source.uri lies under none of the Tenant's spec.sources, or in the installation's own store."""
    SOURCE_UNREADABLE = "SourceUnreadable"
    """The object of spec.source.uri is not there, may not be read, or its store does not answer."""
    SOURCE_TOO_LARGE = "SourceTooLarge"
    """The object of spec.source.uri is larger than the tenant's quotas allow."""
    SOURCE_MISMATCH = "SourceMismatch"
    """The object of spec.source.uri has another digest or size than spec.source says."""
    UPLOAD_ABANDONED = "UploadAbandoned"
    """The upload was not completed in time."""

    # Failed: us
    OUT_OF_MEMORY = "OutOfMemory"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    CUSTODY_UNAVAILABLE = "CustodyUnavailable"
    """The object store or the key provider cannot be reached or refuses."""
    INTERNAL = "Internal"
    """A fault of ours; the support id in the message leads to the log."""

    # Access requests
    AWAITING_DECISION = "AwaitingDecision"
    """A person must set spec.decision to Approved or Denied."""
    APPROVED = "Approved"
    DENIED = "Denied"
    TENANT_GONE = "TenantGone"
    """The Tenant of the request was deleted; it is not made again."""

    # Tenant and deletion
    KEY_AVAILABLE = "KeyAvailable"
    KEY_CHECK_FAILED = "KeyCheckFailed"
    NAMESPACE_CREATED = "NamespaceCreated"
    DRAINING = "Draining"
    """Deletion waits for the resources that depend on it."""
    ERASING = "Erasing"
    ERASURE_BLOCKED = "ErasureBlocked"
    """Bytes could not be erased or verified absent, or that not recorded; the finalizer stays and it is tried again."""
    EXPIRED = "Expired"

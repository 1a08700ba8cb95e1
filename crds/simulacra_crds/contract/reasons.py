"""Reasons of conditions, failures and events: documented constants for programs."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a condition has its status. The text below a reason documents it."""

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
    """The tenant's quota of concurrent jobs or stored bytes is used up."""
    QUEUED_BY_KUEUE = "QueuedByKueue"
    """Its Job waits in a queue of Kueue until the quota has room for it."""
    SUSPENDED = "Suspended"
    """spec.suspend is true, or the tenant is suspended."""
    JOB_RUNNING = "JobRunning"
    """Its Job is running."""
    POD_NOT_STARTING = "PodNotStarting"
    """A pod of its Job does not start: it fits no node, or its image cannot be pulled."""
    SOURCE_SECRET_MISSING = "SourceSecretMissing"  # noqa: S105 - a word, no secret
    """The Secret in the Tenant's spec.sources, or a key of it, is missing for spec.source.uri."""
    AWAITING_CONFIRMATION = "AwaitingConfirmation"
    """spec.hold is true: the table was read, and somebody must confirm the description."""
    JOB_RETRYING = "JobRetrying"
    """A pod failed for a reason that may be temporary; the Job retries."""

    # Done
    UPLOADED = "Uploaded"
    SOURCE_ALLOWED = "SourceAllowed"
    """The Tenant allows spec.source.uri."""
    PREPARED = "Prepared"
    FITTED = "Fitted"
    GENERATED = "Generated"
    GENERATED_PARTIALLY = "GeneratedPartially"
    """Rows were generated; at least one condition could not be met to the row."""
    ESTIMATED = "Estimated"
    READY = "Ready"

    # Failed because of the customer's input
    UPLOAD_INVALID = "UploadInvalid"
    """The upload cannot be read as a table within the limits."""
    TABLE_TOO_SMALL = "TableTooSmall"
    """Fewer than 2 usable columns or too few rows to learn from."""
    SOURCE_ERASED = "SourceErased"
    """The description changed after the source was erased, so it cannot be applied."""
    CONDITIONS_INFEASIBLE = "ConditionsInfeasible"
    """No row of the learned distribution meets the conditions."""
    REQUEST_INVALID = "RequestInvalid"
    """A parameter does not fit the data (an unknown column, a level that does not exist)."""
    DESCRIPTION_MISMATCH = "DescriptionMismatch"
    """The data contradict the description; failure.json has each error with its pointer."""
    DATASET_FAILED = "DatasetFailed"
    MODEL_FAILED = "ModelFailed"
    SOURCE_NOT_ALLOWED = "SourceNotAllowed"
    """spec.source.uri is in none of the Tenant's spec.sources, or in the installation's store."""
    SOURCE_UNREADABLE = "SourceUnreadable"
    """The object of spec.source.uri is missing or may not be read, or its store is unreachable."""
    SOURCE_TOO_LARGE = "SourceTooLarge"
    """The object of spec.source.uri is larger than the tenant's quotas allow."""
    SOURCE_MISMATCH = "SourceMismatch"
    """The object of spec.source.uri has another digest or size than spec.source states."""
    UPLOAD_ABANDONED = "UploadAbandoned"
    """The upload was not completed in time."""

    # Failed because of the installation
    OUT_OF_MEMORY = "OutOfMemory"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    CUSTODY_UNAVAILABLE = "CustodyUnavailable"
    """The object store or the key provider is unreachable or refuses."""
    RESULT_INVALID = "ResultInvalid"
    """The work ended, but its result exceeds a limit of this release or cannot be read by it."""
    INTERNAL = "Internal"
    """Internal error; search the log for the support id in the message."""

    # Access requests
    AWAITING_DECISION = "AwaitingDecision"
    """A person must set spec.decision to Approved or Denied."""
    APPROVED = "Approved"
    DENIED = "Denied"
    TENANT_GONE = "TenantGone"
    """The Tenant of the request was deleted; it is not created again."""

    # Tenant and deletion
    KEY_AVAILABLE = "KeyAvailable"
    KEY_CHECK_FAILED = "KeyCheckFailed"
    NAMESPACE_CREATED = "NamespaceCreated"
    DRAINING = "Draining"
    """Deletion waits for the resources that depend on it."""
    ERASING = "Erasing"
    ERASURE_BLOCKED = "ErasureBlocked"
    """The erasure failed, or was not verified or recorded; the finalizer stays for a retry."""
    EXPIRED = "Expired"

    # The canary
    CANARY_CLEAN = "CanaryClean"
    """Every place was searched after the canary's last life, and no mark was found."""
    CANARY_LEAK = "CanaryLeak"
    """A mark was found after the canary's data had been erased."""
    CANARY_PARTLY_SEARCHED = "CanaryPartlySearched"
    """No mark was found, but a place could not be searched."""
    CANARY_FAILED = "CanaryFailed"
    """The canary's last life did not reach its end, so nothing was searched."""

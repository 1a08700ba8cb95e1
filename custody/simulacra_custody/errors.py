"""Every error that leaves custody. Messages name tenants, resources and limits, never customer data or key material."""


class CustodyError(Exception):
    """Base of all custody errors."""


class SettingsError(CustodyError):
    """An environment variable is missing or malformed; the message names it and says what it must look like."""


class ArtifactMissing(CustodyError):
    """Nothing is stored under this key."""


class ArtifactCorrupt(CustodyError):
    """The stored bytes do not authenticate: tampered, truncated, swapped, or another context or data key."""


class ArtifactTooLarge(CustodyError):
    """The artifact holds more plaintext than the caller is willing to keep in memory."""


class ObjectExists(CustodyError):
    """A conditional put lost: another writer stored this key first."""


class KeyUnavailable(CustodyError):
    """The tenant's key is missing or unreadable, or does not unwrap this token in this context."""


class StoreUnavailable(CustodyError):
    """The object store refused or failed; worth another try."""


class StoreForeign(CustodyError):
    """The object store is another installation's; the message says whose, and what to do."""


class AuditUnavailable(CustodyError):
    """The audit record could not be written: a destructive action must not go on."""


class AuditCorrupt(CustodyError):
    """The audit log does not verify; the message names the first bad segment."""


class KeyCheckError(CustodyError):
    """The key check of a tenant failed.

    Attributes:
        step: the step that failed, one of ``key``, ``generate``, ``decrypt``, ``refuse``.
    """

    def __init__(self, step: str, message: str) -> None:
        super().__init__(f"key check failed at step {step!r}: {message}")
        self.step = step

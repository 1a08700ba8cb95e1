"""Errors of custody. Messages name tenants, resources and limits, never customer data or keys."""


class CustodyError(Exception):
    """Base of all custody errors."""


class SettingsError(CustodyError):
    """An environment variable is missing or malformed; the message names it and a valid form."""


class ArtifactMissing(CustodyError):
    """No object is stored under this key."""


class ArtifactCorrupt(CustodyError):
    """The stored bytes do not authenticate: altered, truncated, swapped, other context or key."""


class ArtifactTooLarge(CustodyError):
    """The artifact has more plaintext than the caller's limit."""


class ObjectExists(CustodyError):
    """A conditional put failed: the key is already stored."""


class KeyUnavailable(CustodyError):
    """The tenant's key is missing, out of reach, or does not unwrap this token in this context."""


class KeyMissing(CustodyError):
    """A tenant's key is on record, and no provider has it: it cannot be certified as destroyed."""


class StoreUnavailable(CustodyError):
    """The object store failed or refused; retry."""


class StoreForeign(CustodyError):
    """The store is another installation's or lost its mark; the message names the remedy."""


class AuditUnavailable(CustodyError):
    """The audit record was not written: the caller must stop a destructive action."""


class AuditCorrupt(CustodyError):
    """The audit log does not verify; the message names the first bad segment or checkpoint."""


class KeyCheckError(CustodyError):
    """The key check of a tenant failed.

    Attributes:
        step: the step that failed: ``key``, ``generate``, ``decrypt`` or ``refuse``.
    """

    def __init__(self, step: str, message: str) -> None:
        super().__init__(f"key check failed at step {step!r}: {message}")
        self.step = step

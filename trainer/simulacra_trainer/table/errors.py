"""The exception for input that a customer must change: a reason, not a traceback."""

from __future__ import annotations

from simulacra_crds.contract.reasons import Reason


class InputError(Exception):
    """The customer's input cannot be used as it is.

    Attributes:
        reason: the documented condition reason, such as Reason.UPLOAD_INVALID.
        message: one sentence without any customer data (no names, levels or values); safe for a
            status, log or event.
        detail: what to change, for the customer only; it may name columns and lines, and travels
            encrypted.
        pointer: JSON pointer into the request body or the column at fault, when there is one.
    """

    def __init__(
        self, reason: Reason, message: str, detail: str, pointer: str | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.detail = detail
        self.pointer = pointer


def invalid_upload(message: str, detail: str = "") -> InputError:
    """Return the error for unreadable bytes; detail adds what only the customer may see."""
    return InputError(Reason.UPLOAD_INVALID, message, f"{message} {detail}".strip())


def too_small(message: str, detail: str = "") -> InputError:
    """Return the error for a table with too few rows or columns to learn from."""
    return InputError(Reason.TABLE_TOO_SMALL, message, f"{message} {detail}".strip())

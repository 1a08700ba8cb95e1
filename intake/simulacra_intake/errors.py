"""Errors in the input of a customer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simulacra_crds.reasons import Reason
from simulacra_schema.faults import FieldError


class InputError(Exception):
    """The input of the customer is unusable.

    Attributes:
        reason: the documented condition reason, such as Reason.UPLOAD_INVALID.
        message: text without customer data (names, levels, values), safe for status and logs.
        detail: what to change, for the customer only; may name columns and lines; kept encrypted.
        pointer: JSON pointer into the request body, if one field is at fault.
        errors: all faults of a description, for the customer only.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        detail: str,
        pointer: str | None = None,
        errors: Sequence[FieldError] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.detail = detail
        self.pointer = pointer
        self.errors = list(errors)

    def at(self, pointer: str) -> InputError:
        """Return the error with another pointer, as the one error of a description."""
        one = FieldError(pointer=pointer, detail=self.detail)
        return InputError(self.reason, self.message, self.detail, pointer, [one])


def refuse(faults: Iterable[FieldError], message: str) -> None:
    """Raise the first fault of a question as an InputError, if there is one."""
    for first in faults:
        raise invalid_request(message, first.detail, first.pointer)


def invalid_request(
    message: str, detail: str = "", pointer: str | None = None, errors: Sequence[FieldError] = ()
) -> InputError:
    """Return the error for a request that cannot be met; without a detail the message says all."""
    return InputError(Reason.REQUEST_INVALID, message, detail or message, pointer, errors)


def invalid_upload(message: str, detail: str = "") -> InputError:
    """Return the error for an unreadable upload; only the customer sees the detail."""
    return InputError(Reason.UPLOAD_INVALID, message, f"{message} {detail}".strip())


def too_small(message: str, detail: str = "") -> InputError:
    """Return the error for a table with too few rows or columns to learn from."""
    return InputError(Reason.TABLE_TOO_SMALL, message, f"{message} {detail}".strip())

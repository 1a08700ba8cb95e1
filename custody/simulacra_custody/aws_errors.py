"""Errors of boto3 as errors of custody."""

import contextlib
from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from simulacra_custody.errors import CustodyError


@contextlib.contextmanager
def aws_errors(raised: type[CustodyError], action: str) -> Iterator[None]:
    """Raise an error of boto3 as ``raised``: the failed action and the service's code, no more."""
    try:
        yield
    except ClientError as error:
        raise raised(f"{action}: {error_code(error)}") from error
    except BotoCoreError as error:
        raise raised(f"{action}: {type(error).__name__}") from error


def error_code(error: BaseException | None) -> str:
    """Return the service's code of an error, ``""`` when the service did not answer."""
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))

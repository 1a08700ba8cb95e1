"""Reads the object that a Dataset names in the place of an upload, with the access that the tenant
gives and no other.

The pod's own rights never serve: they reach this installation's store. What the object store
answers is not trusted either: its bytes are counted against the limit as they come, and only its
error codes are told, never its words. Redirects are not followed (botocore asks for none).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import SOURCE_VARIABLES, SourceRequest
from simulacra_crds.kinds.dataset import ReadSource
from simulacra_custody.wiring import is_own_bucket, own_buckets
from simulacra_trainer.table.errors import InputError

_CHUNK = 1 << 20
_REGION = "us-east-1"
_ABSENT = frozenset({"NoSuchKey", "NoSuchBucket", "NotFound", "404"})
_PASSES = re.compile(
    r"5\d\d|SlowDown|InternalError|ServiceUnavailable|RequestTimeout|Throttling.*|TooManyRequests.*"
)


class SourceUnavailable(Exception):
    """The object store is unavailable or throttles: retry. The message quotes nothing."""


def fetch(source: SourceRequest, env: Mapping[str, str], path: Path) -> ReadSource:
    """Write an object to a file; return what was read.

    Args:
        source: which object, and as whom; with no role, the credentials are in SOURCE_VARIABLES of
            `env`.
        env: the pod's environment.
        path: the file to write.

    Raises:
        InputError: it is not there, may not be read, is too large, or is not what it was said to
            be.
        SourceUnavailable: see there.
    """
    if is_own_bucket(own_buckets(env), source.uri):
        raise _refused(
            Reason.SOURCE_NOT_ALLOWED,
            "spec.source.uri is in this installation's own store.",
            source,
        )
    with _errors(source):
        answer = _client(source, env).get_object(**_place(source.uri))
        size = int(answer["ContentLength"])
        _check_size(source, size)
        digest, count = hashlib.sha256(), 0
        with contextlib.closing(answer["Body"]) as body, path.open("wb") as file:
            for chunk in body.iter_chunks(_CHUNK):
                count += len(chunk)
                _check_size(source, count)
                digest.update(chunk)
                file.write(chunk)
    found = ReadSource(sha256=digest.hexdigest(), bytes=count)
    if source.bytes not in (None, count):
        raise _refused(
            Reason.SOURCE_MISMATCH,
            "The object has another size than spec.source.bytes says.",
            source,
        )
    if source.sha256 not in (None, found.sha256):
        raise _refused(
            Reason.SOURCE_MISMATCH,
            "The object has another digest than spec.source.sha256 says.",
            source,
        )
    return found


def _client(source: SourceRequest, env: Mapping[str, str]) -> Any:
    import boto3
    from botocore.config import Config

    region = source.region or _REGION
    if source.role_arn is not None:
        credentials = _assumed(source, region)
    else:
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        credentials = {
            name: env.get(variable) for name, variable in zip(names, SOURCE_VARIABLES, strict=True)
        }
    if not credentials["aws_access_key_id"] or not credentials["aws_secret_access_key"]:
        message = (
            "The Secret of the Tenant's source lacks AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY."
        )
        raise _refused(Reason.SOURCE_UNREADABLE, message, source)
    config = Config(
        ignore_configured_endpoint_urls=True,  # AWS_ENDPOINT_URL is for our own store
        signature_version="s3v4",
        s3={"addressing_style": "path" if source.endpoint else "auto"},
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    return boto3.Session().client(
        "s3", region_name=region, endpoint_url=source.endpoint, config=config, **credentials
    )


def _assumed(source: SourceRequest, region: str) -> dict[str, str | None]:
    """Return credentials of the tenant's role that can read the one object and nothing else."""
    from simulacra_custody.keys.aws_access import assume_role

    partition = str(source.role_arn).split(":")[1]
    place = _place(source.uri)
    # A uri holds no wildcards of IAM.
    one = f"arn:{partition}:s3:::{place['Bucket']}/{place['Key']}"
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": one}],
    }
    found = assume_role(
        str(source.role_arn), source.external_id, region=region, policy=json.dumps(policy)
    )
    return {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


def _place(uri: str) -> dict[str, str]:
    url = urlsplit(uri, allow_fragments=False)
    return {"Bucket": url.netloc, "Key": url.path[1:]}


def _check_size(source: SourceRequest, size: int) -> None:
    if size > source.limit:
        message = f"The object is above the tenant's limit of {source.limit} bytes."
        raise _refused(Reason.SOURCE_TOO_LARGE, message, source)


@contextlib.contextmanager
def _errors(source: SourceRequest) -> Iterator[None]:
    try:  # a third of a second, few tasks need it, and few installations have it
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        message = "This installation cannot read object stores: it lacks boto3 (the extra s3)."
        raise _refused(Reason.SOURCE_UNREADABLE, message, source) from None

    try:
        yield
    except ClientError as error:
        code = re.sub(r"[^A-Za-z0-9]", "", str(error.response.get("Error", {}).get("Code", "")))[
            :64
        ]
        if code in _ABSENT:
            message = "No object is there, or its bucket does not exist: check bucket and key."
            raise _refused(Reason.SOURCE_UNREADABLE, message, source) from None
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
        if status >= 500 or status == 429 or _PASSES.fullmatch(code):
            raise SourceUnavailable(
                f"The object store of the source answers {code or status}."
            ) from None
        message = (
            f"The object store refuses ({code}). Check spec.sources of the Tenant, and the key."
        )
        raise _refused(Reason.SOURCE_UNREADABLE, message, source) from None
    except BotoCoreError as error:
        raise SourceUnavailable(
            f"The object store cannot be reached ({type(error).__name__}). Check its endpoint in"
            " spec.sources of the Tenant, and the NetworkPolicy of the pods."
        ) from None


def _refused(reason: Reason, message: str, source: SourceRequest) -> InputError:
    return InputError(reason, message, f"{message} spec.source.uri is {source.uri}")

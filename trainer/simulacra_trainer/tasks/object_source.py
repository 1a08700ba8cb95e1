"""Download of the object that a Dataset names instead of an upload, with the tenant's credentials.

The pod's own credentials are never used, because they open this installation's store. The object
store is not trusted: received bytes count against the limit, its error texts are not repeated, only
its error codes, and botocore follows no redirects.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from simulacra_crds.kinds.dataset import ReadSource
from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import SOURCE_VARIABLES, SourceRequest
from simulacra_custody.wiring import is_own_bucket, own_buckets
from simulacra_intake.errors import InputError

_CHUNK = 1 << 20
_REGION = "us-east-1"
_CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_ABSENT = frozenset({"NoSuchKey", "NoSuchBucket", "NotFound", "404"})
_TEMPORARY = re.compile(
    r"5\d\d|SlowDown|InternalError|ServiceUnavailable|RequestTimeout|Throttling.*|TooManyRequests.*"
)


class SourceUnavailable(Exception):
    """The object store is unavailable or throttles: retry. The message quotes none of its text."""


def fetch(source: SourceRequest, env: Mapping[str, str], path: Path) -> ReadSource:
    """Write an object to a file; return what was read.

    env: the pod's environment, whose SOURCE_VARIABLES hold credentials for a source without a role.

    Raises:
        InputError: the object is missing, unreadable, too large, or differs from its description.
        SourceUnavailable: the object store is unavailable.
    """
    if is_own_bucket(own_buckets(env), source.uri):
        message = "spec.source.uri is in this installation's own store. Name another bucket."
        raise _refused(Reason.SOURCE_NOT_ALLOWED, message, source)
    with _errors(source):
        answer = _client(source, env).get_object(**_bucket_and_key(source.uri))
        size = int(answer["ContentLength"])
        _check_size(source, size)
        digest = hashlib.sha256()
        count = 0
        with contextlib.closing(answer["Body"]) as body, path.open("wb") as file:
            for chunk in body.iter_chunks(_CHUNK):
                count += len(chunk)
                _check_size(source, count)
                digest.update(chunk)
                file.write(chunk)
    found = ReadSource(sha256=digest.hexdigest(), bytes=count)
    if source.bytes not in (None, count):
        message = "The size of the object differs from spec.source.bytes."
        raise _refused(Reason.SOURCE_MISMATCH, message, source)
    if source.sha256 not in (None, found.sha256):
        message = "The digest of the object differs from spec.source.sha256."
        raise _refused(Reason.SOURCE_MISMATCH, message, source)
    return found


def _client(source: SourceRequest, env: Mapping[str, str]) -> Any:
    import boto3
    from botocore.config import Config

    region = source.region or _REGION
    if source.role_arn is not None:
        credentials = _assume_role(source, region)
    else:
        values = (env.get(variable) for variable in SOURCE_VARIABLES)
        credentials = dict(zip(_CREDENTIALS, values, strict=True))
    if not credentials["aws_access_key_id"] or not credentials["aws_secret_access_key"]:
        message = "The Secret in spec.sources lacks AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY."
        raise _refused(Reason.SOURCE_UNREADABLE, message, source)
    config = Config(
        ignore_configured_endpoint_urls=True,  # AWS_ENDPOINT_URL names the own store
        signature_version="s3v4",
        s3={"addressing_style": "path" if source.endpoint else "auto"},
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    return boto3.Session().client(
        "s3", region_name=region, endpoint_url=source.endpoint, config=config, **credentials
    )


def _assume_role(source: SourceRequest, region: str) -> dict[str, str | None]:
    """Return credentials of the tenant's role that can read this object only."""
    from simulacra_custody.keys.aws_access import assume_role

    partition = str(source.role_arn).split(":")[1]
    place = _bucket_and_key(source.uri)
    # A uri cannot hold IAM wildcards.
    arn = f"arn:{partition}:s3:::{place['Bucket']}/{place['Key']}"
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    found = assume_role(str(source.role_arn), source.external_id, region=region, policy=policy)
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    return {key: found[name] for key, name in zip(_CREDENTIALS, names, strict=True)}


def _bucket_and_key(uri: str) -> dict[str, str]:
    url = urlsplit(uri, allow_fragments=False)
    return {"Bucket": url.netloc, "Key": url.path[1:]}


def _check_size(source: SourceRequest, size: int) -> None:
    if size > source.limit:
        message = f"The object is larger than the tenant's limit of {source.limit} bytes."
        raise _refused(Reason.SOURCE_TOO_LARGE, message, source)


@contextlib.contextmanager
def _errors(source: SourceRequest) -> Iterator[None]:
    try:  # an extra, and slow to import
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        message = "This installation cannot read object stores: it lacks boto3 (the extra s3)."
        raise _refused(Reason.SOURCE_UNREADABLE, message, source) from None

    try:
        yield
    except ClientError as error:
        quoted = str(error.response.get("Error", {}).get("Code", ""))
        code = re.sub(r"[^A-Za-z0-9]", "", quoted)[:64]
        if code in _ABSENT:
            message = "The object or its bucket does not exist. Check spec.source.uri."
            raise _refused(Reason.SOURCE_UNREADABLE, message, source) from None
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
        if status >= 500 or status == 429 or _TEMPORARY.fullmatch(code):
            message = f"The object store of the source answers {code or status}. Try again later."
            raise SourceUnavailable(message) from None
        message = (
            f"The object store denies access ({code})."
            " Check spec.sources of the Tenant and spec.source.uri."
        )
        raise _refused(Reason.SOURCE_UNREADABLE, message, source) from None
    except BotoCoreError as error:
        raise SourceUnavailable(
            f"The object store cannot be reached ({type(error).__name__}). Check its endpoint in"
            " spec.sources of the Tenant, and the NetworkPolicy of the pods."
        ) from None


def _refused(reason: Reason, message: str, source: SourceRequest) -> InputError:
    return InputError(reason, message, f"{message} spec.source.uri is {source.uri}")

"""Where an S3 store is and how it is reached: its URL, its boto3 client and the errors it answers with."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from simulacra_custody.errors import StoreUnavailable
from simulacra_custody.stores.base import check_prefix
from simulacra_custody.url_params import query

TENANT = "{tenant}"
_BUCKET = re.compile(r"(?=.{3,63}$)[a-z0-9](?:[a-z0-9.-]|\{tenant\})*")
_PARAMETERS = frozenset({"endpoint", "public-endpoint", "region", "sse-kms"})


@dataclass(frozen=True, slots=True)
class S3Location:
    """Where the objects are.

    Attributes:
        bucket: name of the bucket; with ``{tenant}`` in it, every tenant has a bucket of its own.
        prefix: what every object key begins with, empty or ending in ``/``.
        endpoint: base URL of the service, None for AWS.
        public_endpoint: base URL that customers reach it at, if another.
        region: AWS region, None for the usual chain.
        sse_kms: KMS key (id, ARN or alias) that the service is asked to encrypt objects under once more.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    public_endpoint: str | None = None
    region: str | None = None
    sse_kms: str | None = None

    @classmethod
    def from_url(cls, url: SplitResult) -> "S3Location":
        """From ``s3://bucket/prefix?endpoint=&public-endpoint=&region=&sse-kms=``; ValueError says what is wrong."""
        if not _BUCKET.fullmatch(url.netloc):
            raise ValueError(
                "a bucket's name has 3 to 63 of a-z 0-9 . - (and no credentials: they come from AWS_*)"
            )
        prefix = unquote(url.path).strip("/")
        prefix += "/" if prefix else ""
        check_prefix(prefix)
        given = query(url, _PARAMETERS)
        return cls(
            url.netloc, prefix, given.get("endpoint"), given.get("public-endpoint"),
            given.get("region"), given.get("sse-kms"),
        )  # fmt: skip

    def client(self, *, public: bool = False) -> Any:
        """A boto3 client with credentials from the usual AWS chain; path style where the endpoint is not AWS's own."""
        endpoint = (self.public_endpoint if public else None) or self.endpoint
        with s3_errors("be reached"):
            return boto3.Session().client(
                "s3",
                region_name=self.region,
                endpoint_url=endpoint,
                config=Config(
                    signature_version="s3v4",
                    s3={"addressing_style": "path" if endpoint else "auto"},
                    connect_timeout=5,
                    read_timeout=60,
                    retries={"mode": "standard", "total_max_attempts": 4},
                    max_pool_connections=32,
                ),
            )

    @property
    def encryption(self) -> dict[str, str]:
        """The arguments of a put that ask for SSE-KMS."""
        return (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.sse_kms} if self.sse_kms else {}
        )


@contextlib.contextmanager
def s3_errors(action: str) -> Iterator[None]:
    """Turn whatever boto3 raises into `StoreUnavailable`, saying the service's error code and nothing more."""
    try:
        yield
    except ClientError as error:
        raise StoreUnavailable(f"the S3 store could not {action}: {error_code(error)}") from error
    except BotoCoreError as error:
        raise StoreUnavailable(
            f"the S3 store could not {action}: {type(error).__name__}"
        ) from error


def error_code(error: BaseException | None) -> str:
    """The service's code of an error, ``""`` where it did not come from the service."""
    return (
        str(error.response.get("Error", {}).get("Code", ""))
        if isinstance(error, ClientError)
        else ""
    )

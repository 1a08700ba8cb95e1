"""S3 location: a store's URL, its boto3 client and their errors."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import SplitResult, unquote

import boto3
from botocore.config import Config

from simulacra_custody.aws_errors import aws_errors
from simulacra_custody.errors import StoreUnavailable
from simulacra_custody.stores.base import check_prefix

TENANT = "{tenant}"
_BUCKET = re.compile(r"(?=.{3,63}$)[a-z0-9](?:[a-z0-9.-]|\{tenant\})*")


@dataclass(frozen=True, slots=True)
class S3Location:
    """Location of the objects.

    Attributes:
        bucket: name of the bucket; with ``{tenant}`` in it, each tenant has its own bucket.
        prefix: beginning of every object key, empty or ending in ``/``.
        endpoint: base URL of the service, None for AWS.
        public_endpoint: base URL for customers, if it differs.
        region: AWS region, None for the default chain.
        sse_kms: KMS key (id, ARN or alias) for server-side encryption on top.
    """

    PARAMETERS: ClassVar[frozenset[str]] = frozenset(
        {"endpoint", "public-endpoint", "region", "sse-kms"}
    )

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    public_endpoint: str | None = None
    region: str | None = None
    sse_kms: str | None = None

    @classmethod
    def from_url(cls, url: SplitResult, given: Mapping[str, str]) -> "S3Location":
        """Read ``s3://bucket/prefix`` and its PARAMETERS. Raises ValueError."""
        if not _BUCKET.fullmatch(url.netloc):
            raise ValueError(
                "a bucket's name has 3 to 63 of a-z 0-9 . - (give credentials in AWS_* variables)"
            )
        prefix = unquote(url.path).strip("/")
        prefix += "/" if prefix else ""
        check_prefix(prefix)
        return cls(
            url.netloc, prefix, given.get("endpoint"), given.get("public-endpoint"),
            given.get("region"), given.get("sse-kms"),
        )  # fmt: skip

    def client(self, *, public: bool = False) -> Any:
        """Return a boto3 client with the default credentials; path style outside of AWS."""
        endpoint = (self.public_endpoint if public else None) or self.endpoint
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if endpoint else "auto"},
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": 4},
            max_pool_connections=32,
        )
        with s3_errors("be reached"):
            return boto3.Session().client(
                "s3", region_name=self.region, endpoint_url=endpoint, config=config
            )

    @property
    def encryption(self) -> dict[str, str]:
        """The arguments of a put that ask for SSE-KMS."""
        if not self.sse_kms:
            return {}
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.sse_kms}


def s3_errors(action: str) -> AbstractContextManager[None]:
    """Raise errors of boto3 as `StoreUnavailable`."""
    return aws_errors(StoreUnavailable, f"the S3 store could not {action}")

"""Access to AWS KMS: region, endpoint and, for keys of another account, the role to assume.

Credentials come from the default AWS chain. Those of an assumed role are refreshed before they
expire. The external id is required by a customer's trust policy, so that nobody else can make the
service assume their role.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import SplitResult

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials

from simulacra_custody.aws_errors import aws_errors
from simulacra_custody.errors import KeyUnavailable

_CONFIG = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)


@dataclass(frozen=True, slots=True)
class KmsAccess:
    """Where KMS is, and the role that calls it.

    Attributes:
        region: AWS region, None for the default chain.
        endpoint: base URL of KMS and STS, None for AWS (or ``AWS_ENDPOINT_URL_KMS``).
        role_arn: role to assume, None for none.
        external_id: external id in the role's trust policy.
    """

    PARAMETERS: ClassVar[frozenset[str]] = frozenset({"region", "endpoint", "role", "external-id"})

    region: str | None = None
    endpoint: str | None = None
    role_arn: str | None = None
    external_id: str | None = None

    @classmethod
    def from_url(cls, url: SplitResult, given: Mapping[str, str]) -> "KmsAccess":
        """Read ``awskms://`` and its PARAMETERS. Raises ValueError."""
        if url.netloc or url.path:
            raise ValueError("awskms:// takes parameters only; give credentials in AWS_* variables")
        if "external-id" in given and "role" not in given:
            raise ValueError("external-id= needs role=")
        return cls(*(given.get(name) for name in ("region", "endpoint", "role", "external-id")))

    def client(self) -> Any:
        """Return a boto3 client of KMS; it assumes the role at its first call."""
        with kms_errors("be reached"):
            session = botocore.session.Session()
            if self.role_arn:
                # botocore has no public way to give a session credentials that refresh themselves.
                session._credentials = DeferredRefreshableCredentials(
                    self._assume, "sts-assume-role"
                )
            return boto3.Session(botocore_session=session).client(
                "kms", region_name=self.region, endpoint_url=self.endpoint, config=_CONFIG
            )

    def _assume(self) -> dict[str, str]:
        found = assume_role(
            str(self.role_arn), self.external_id, region=self.region, endpoint=self.endpoint
        )
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }


def assume_role(
    role_arn: str,
    external_id: str | None,
    *,
    region: str | None,
    endpoint: str | None = None,
    policy: str | None = None,
) -> dict[str, Any]:
    """Return the temporary credentials of a role from STS. Raises errors of boto3.

    Region and endpoint are None for the default chain and AWS (or ``AWS_ENDPOINT_URL_STS``). With a
    session policy (JSON), the credentials can do what it and the role both allow.
    """
    sts = boto3.Session().client("sts", region_name=region, endpoint_url=endpoint, config=_CONFIG)
    request = {"RoleArn": role_arn, "ExternalId": external_id, "Policy": policy}
    given = {name: value for name, value in request.items() if value}
    return dict(sts.assume_role(RoleSessionName="simulacra", **given)["Credentials"])


def kms_errors(action: str) -> AbstractContextManager[None]:
    """Raise errors of boto3 as `KeyUnavailable`."""
    return aws_errors(KeyUnavailable, f"AWS KMS could not {action}")

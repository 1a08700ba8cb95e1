"""How AWS KMS is reached: region, endpoint and, for another account's keys, the role to assume there.

Credentials come from the usual AWS chain. An assumed role's are fetched again before they run out. The external id is
what a customer's trust policy asks for, so that nobody else can send the service to their role.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from simulacra_custody.errors import KeyUnavailable
from simulacra_custody.url_params import query

_PARAMETERS = frozenset({"region", "endpoint", "role", "external-id"})
_CONFIG = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)


@dataclass(frozen=True, slots=True)
class KmsAccess:
    """Where KMS is and as whom it is called.

    Attributes:
        region: AWS region, None for the usual chain.
        endpoint: base URL of KMS and STS, None for AWS's own (or what ``AWS_ENDPOINT_URL_KMS`` says).
        role_arn: role to assume, None for none.
        external_id: what the role's trust policy asks for.
    """

    region: str | None = None
    endpoint: str | None = None
    role_arn: str | None = None
    external_id: str | None = None

    @classmethod
    def from_url(cls, url: SplitResult) -> "KmsAccess":
        """From ``awskms://?region=&endpoint=&role=&external-id=``; ValueError says what is wrong."""
        given = query(url, _PARAMETERS)
        if url.netloc or url.path:
            raise ValueError("awskms:// takes parameters only; credentials come from AWS_*")
        if "external-id" in given and "role" not in given:
            raise ValueError("external-id= is of use with role= only")
        return cls(
            given.get("region"), given.get("endpoint"), given.get("role"), given.get("external-id")
        )

    def client(self) -> Any:
        """A boto3 client of KMS; with a role, it is assumed at the first call."""
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
    """The temporary credentials of a role, as STS gives them; raises what boto3 raises.

    Args:
        role_arn: the role.
        external_id: what its trust policy asks for, if anything.
        region: AWS region, None for the usual chain.
        endpoint: base URL of STS, None for AWS's own (or what ``AWS_ENDPOINT_URL_STS`` says).
        policy: a session policy (JSON): the credentials can do no more than it and the role both allow.
    """
    sts = boto3.Session().client("sts", region_name=region, endpoint_url=endpoint, config=_CONFIG)
    more = {"ExternalId": external_id, "Policy": policy}
    given = {name: value for name, value in more.items() if value}
    found: dict[str, Any] = sts.assume_role(RoleArn=role_arn, RoleSessionName="simulacra", **given)[
        "Credentials"
    ]
    return found


@contextlib.contextmanager
def kms_errors(action: str) -> Iterator[None]:
    """Turn whatever boto3 raises into `KeyUnavailable`, saying the service's error code and nothing more."""
    try:
        yield
    except ClientError as error:
        raise KeyUnavailable(f"AWS KMS could not {action}: {kms_code(error)}") from error
    except BotoCoreError as error:
        raise KeyUnavailable(f"AWS KMS could not {action}: {type(error).__name__}") from error


def kms_code(error: BaseException | None) -> str:
    """The service's code of an error, ``""`` where it did not come from the service."""
    return (
        str(error.response.get("Error", {}).get("Code", ""))
        if isinstance(error, ClientError)
        else ""
    )

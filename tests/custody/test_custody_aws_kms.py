"""AWS KMS: key state, policies and roles as MiniStack enforces them, key binding as moto does."""

from collections.abc import Callable
from dataclasses import dataclass

import boto3
import pytest

from custody_aws import ACCOUNT, CustomerAccount
from custody_servers import REGION, Server
from simulacra_custody.errors import KeyCheckError, KeyUnavailable
from simulacra_custody.keys import KeyProvider
from simulacra_custody.settings import open_keys

KEY = bytes(range(32))
CONTEXT = {"tenant": "acme"}


@dataclass
class Rig:
    """A tenant with a key and a token made with it."""

    keys: KeyProvider
    client: "boto3.client"  # type: ignore[name-defined]
    tenant: str
    wrapped: str

    @property
    def key_id(self) -> str:
        return self.wrapped.split(".")[2]


@pytest.fixture
def rig(aws: Server, monkeypatch: pytest.MonkeyPatch, tenants: tuple[str, str]) -> Rig:
    for name, value in aws.env.items():
        monkeypatch.setenv(name, value)
    keys = kms(aws)
    keys.create_tenant_key(tenants[0])
    client = boto3.Session().client("kms", endpoint_url=aws.url, region_name=REGION)
    return Rig(keys, client, tenants[0], keys.wrap(tenants[0], KEY, CONTEXT))


def kms(aws: Server, more: str = "") -> KeyProvider:
    return open_keys({"SIMULACRA_KEYS": f"awskms://?region={REGION}&endpoint={aws.url}{more}"}).provider("awsKms")


@pytest.mark.parametrize(
    ("break_key", "code"),
    [
        (lambda rig: rig.client.disable_key(KeyId=rig.key_id), "DisabledException"),
        (
            lambda rig: rig.client.schedule_key_deletion(KeyId=rig.key_id, PendingWindowInDays=7),
            "KMSInvalidStateException",
        ),
    ],
)
def test_key_that_is_off_neither_wraps_nor_unwraps(rig: Rig, break_key: Callable[[Rig], object], code: str) -> None:
    break_key(rig)
    with pytest.raises(KeyUnavailable, match=code):
        rig.keys.wrap(rig.tenant, KEY, CONTEXT)
    with pytest.raises(KeyUnavailable, match=code):
        rig.keys.unwrap(rig.tenant, rig.wrapped, CONTEXT)
    with pytest.raises(KeyCheckError, match=code) as failure:
        rig.keys.check(rig.tenant)
    assert failure.value.step == "generate"
    rig.keys.destroy_tenant_key(rig.tenant)
    assert not rig.keys.has_tenant_key(rig.tenant)


def test_destroyed_key_is_off_at_once_and_scheduled(rig: Rig) -> None:
    rig.keys.rotate_tenant_key(rig.tenant)
    newest = rig.keys.wrap(rig.tenant, KEY, CONTEXT).split(".")[2]
    rig.keys.destroy_tenant_key(rig.tenant)
    for key_id in (rig.key_id, newest):
        metadata = rig.client.describe_key(KeyId=key_id)["KeyMetadata"]
        assert metadata["KeyState"] == "PendingDeletion"
    rig.keys.create_tenant_key(rig.tenant)
    with pytest.raises(KeyUnavailable, match="present key"):
        rig.keys.unwrap(rig.tenant, rig.wrapped, CONTEXT)


def test_rotation_that_was_cut_short_is_finished(rig: Rig) -> None:
    rig.client.create_alias(AliasName=f"alias/simulacra/{rig.tenant}/old/{rig.key_id}", TargetKeyId=rig.key_id)
    rig.keys.retire_old_keys(rig.tenant)
    assert rig.keys.unwrap(rig.tenant, rig.wrapped, CONTEXT) == KEY
    rig.keys.rotate_tenant_key(rig.tenant)
    assert rig.keys.unwrap(rig.tenant, rig.wrapped, CONTEXT) == KEY
    assert not rig.keys.is_current(rig.tenant, rig.wrapped)


def test_of_two_creators_one_key_stays(aws: Server, rig: Rig, tenants: tuple[str, str]) -> None:
    """The second one's look sees nothing yet, as in a race."""
    one, two = kms(aws), kms(aws)
    two._key_id = lambda alias: None  # type: ignore[attr-defined]
    one.create_tenant_key(tenants[1])
    wrapped = one.wrap(tenants[1], KEY, CONTEXT)
    two.create_tenant_key(tenants[1])
    assert one.is_current(tenants[1], wrapped)


def test_wrong_credentials_and_no_server(aws: Server, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CustomerAccount(aws).service["AWS_ACCESS_KEY_ID"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x" * 40)
    with pytest.raises(KeyUnavailable, match="InvalidSignatureException"):
        kms(aws).unwrap(rig.tenant, rig.wrapped, CONTEXT)
    keys = open_keys({"SIMULACRA_KEYS": f"awskms://?region={REGION}&endpoint=http://127.0.0.1:9"}).provider("awsKms")
    with pytest.raises(KeyUnavailable, match="EndpointConnectionError"):
        keys.has_tenant_key(rig.tenant)


def test_role_needs_its_external_id(aws: Server, monkeypatch: pytest.MonkeyPatch, tenants: tuple[str, str]) -> None:
    account = CustomerAccount(aws)
    role = account.role("their-id")
    for name, value in account.service.items():
        monkeypatch.setenv(name, value)
    account.root("iam").put_role_policy(
        RoleName=role.rpartition("/")[2],
        PolicyName="keys",
        PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}',
    )
    good = kms(aws, f"&role={role}&external-id=their-id")
    good.create_tenant_key(tenants[0])
    good.check(tenants[0])
    for more in ("", f"&role={role}", f"&role={role}&external-id=other", f"&role=arn:aws:iam::{ACCOUNT}:role/none"):
        with pytest.raises(KeyCheckError, match="AccessDenied") as failure:
            kms(aws, more).check(tenants[0])
        assert failure.value.step == "key"

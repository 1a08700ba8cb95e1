"""AWS KMS: key state, policies and roles, as MiniStack enforces them."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import boto3
import pytest
from botocore.exceptions import ClientError

from custody_aws import ACCOUNT, CustomerAccount
from custody_servers import REGION, Server
from simulacra_custody.errors import KeyCheckError, KeyUnavailable
from simulacra_custody.keys import aws_kms
from simulacra_custody.keys.base import KeyProvider
from simulacra_custody.wiring import open_keys

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
    url = f"awskms://?region={REGION}&endpoint={aws.url}{more}"
    return open_keys({"SIMULACRA_KEYS": url}).provider("awsKms")


def die(**_: object) -> None:
    """End the process, as far as the caller can tell."""
    raise KeyboardInterrupt


def tagged(rig: Rig, tags: dict[str, str]) -> str:
    """Create a key without an alias, as anybody may."""
    given = [{"TagKey": name, "TagValue": value} for name, value in tags.items()]
    return str(rig.client.create_key(Tags=given)["KeyMetadata"]["KeyId"])


def enabled(rig: Rig) -> set[str]:
    """Return the ids of the enabled keys with the tenant's tag."""
    found = set()
    for page in rig.client.get_paginator("list_keys").paginate():
        for key_id in (key["KeyId"] for key in page["Keys"]):
            tags = rig.client.list_resource_tags(KeyId=key_id)["Tags"]
            state = rig.client.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]
            tag = {"TagKey": "simulacra-tenant", "TagValue": rig.tenant}
            if tag in tags and state == "Enabled":
                found.add(key_id)
    return found


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
def test_disabled_key_neither_wraps_nor_unwraps(
    rig: Rig, break_key: Callable[[Rig], object], code: str
) -> None:
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


def test_destroyed_key_is_disabled_at_once_and_scheduled(rig: Rig) -> None:
    rig.keys.rotate_tenant_key(rig.tenant)
    newest = rig.keys.wrap(rig.tenant, KEY, CONTEXT).split(".")[2]
    rig.keys.destroy_tenant_key(rig.tenant)
    for key_id in (rig.key_id, newest):
        metadata = rig.client.describe_key(KeyId=key_id)["KeyMetadata"]
        assert metadata["KeyState"] == "PendingDeletion"
    rig.keys.create_tenant_key(rig.tenant)
    with pytest.raises(KeyUnavailable, match="present key"):
        rig.keys.unwrap(rig.tenant, rig.wrapped, CONTEXT)


def test_interrupted_rotation_is_completed_by_the_next(rig: Rig) -> None:
    rig.client.create_alias(
        AliasName=f"alias/simulacra/{rig.tenant}/old/{rig.key_id}", TargetKeyId=rig.key_id
    )
    rig.keys.retire_old_keys(rig.tenant)
    assert rig.keys.unwrap(rig.tenant, rig.wrapped, CONTEXT) == KEY
    rig.keys.rotate_tenant_key(rig.tenant)
    assert rig.keys.unwrap(rig.tenant, rig.wrapped, CONTEXT) == KEY
    assert not rig.keys.is_current(rig.tenant, rig.wrapped)


@pytest.mark.parametrize("step", ["create_alias", "update_alias"])
def test_key_of_a_killed_rotation_is_destroyed_by_the_next(
    rig: Rig, step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = {"simulacra-tenant": rig.tenant}
    others = [tagged(rig, {"simulacra-tenant": "globex"}), tagged(rig, {}), tagged(rig, own)]
    rig.client.disable_key(KeyId=others[2])
    with monkeypatch.context() as killed:
        killed.setattr(rig.keys._client, step, die)  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            rig.keys.rotate_tenant_key(rig.tenant)
    rig.keys.rotate_tenant_key(rig.tenant)
    current = rig.keys.wrap(rig.tenant, KEY, CONTEXT).split(".")[2]
    assert len(enabled(rig)) == 3, "the old key, the one without an alias, and the new one"
    rig.keys.retire_old_keys(rig.tenant)
    assert len(enabled(rig)) == 2, "a new key may still get its alias"
    monkeypatch.setattr(aws_kms, "_NAMED_S", 0.0)
    rig.keys.retire_old_keys(rig.tenant)
    assert enabled(rig) == {current}
    assert rig.tenant in str(caplog.records[-1].__dict__["tenant"])
    states = [rig.client.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] for key_id in others]
    assert states == ["Enabled", "Enabled", "Disabled"]
    rig.keys.retire_old_keys(rig.tenant)
    assert enabled(rig) == {current}


def test_key_of_a_killed_creation_is_destroyed_with_the_tenant(
    rig: Rig, tenants: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.tenant = tenants[1]
    with monkeypatch.context() as killed:
        killed.setattr(rig.keys._client, "create_alias", die)  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            rig.keys.create_tenant_key(rig.tenant)
    assert len(enabled(rig)) == 1
    rig.keys.create_tenant_key(rig.tenant)
    rig.keys.destroy_tenant_key(rig.tenant)
    assert enabled(rig) == set()


def test_old_keys_are_retired_without_permission_to_list_keys(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig.keys.rotate_tenant_key(rig.tenant)
    client = rig.keys._client  # type: ignore[attr-defined]
    pages = client.get_paginator

    def paginator(name: str) -> object:
        if name == "list_keys":
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "ListKeys")
        return pages(name)

    monkeypatch.setattr(client, "get_paginator", paginator)
    rig.keys.retire_old_keys(rig.tenant)
    assert len(enabled(rig)) == 1
    assert "allow kms:ListKeys" in caplog.text


def test_concurrent_creations_leave_one_key(
    aws: Server, rig: Rig, tenants: tuple[str, str]
) -> None:
    """The second one sees no key yet, as in a race."""
    one, two = kms(aws), kms(aws)
    two._key_id = lambda alias: None  # type: ignore[attr-defined]
    one.create_tenant_key(tenants[1])
    wrapped = one.wrap(tenants[1], KEY, CONTEXT)
    two.create_tenant_key(tenants[1])
    assert one.is_current(tenants[1], wrapped)


def test_wrong_credentials_and_missing_server_are_unavailable(
    aws: Server, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CustomerAccount(aws).service["AWS_ACCESS_KEY_ID"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x" * 40)
    with pytest.raises(KeyUnavailable, match="InvalidSignatureException"):
        kms(aws).unwrap(rig.tenant, rig.wrapped, CONTEXT)
    keys = open_keys(
        {"SIMULACRA_KEYS": f"awskms://?region={REGION}&endpoint=http://127.0.0.1:9"}
    ).provider("awsKms")
    with pytest.raises(KeyUnavailable, match="EndpointConnectionError"):
        keys.has_tenant_key(rig.tenant)


def test_role_needs_its_external_id(
    aws: Server, monkeypatch: pytest.MonkeyPatch, tenants: tuple[str, str]
) -> None:
    account = CustomerAccount(aws)
    role = account.role("their-id")
    for name, value in account.service.items():
        monkeypatch.setenv(name, value)
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    account.root("iam").put_role_policy(
        RoleName=role.rpartition("/")[2],
        PolicyName="keys",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    good = kms(aws, f"&role={role}&external-id=their-id")
    good.create_tenant_key(tenants[0])
    good.check(tenants[0])
    for more in (
        "",
        f"&role={role}",
        f"&role={role}&external-id=other",
        f"&role=arn:aws:iam::{ACCOUNT}:role/none",
    ):
        with pytest.raises(KeyCheckError, match="AccessDenied") as failure:
            kms(aws, more).check(tenants[0])
        assert failure.value.step == "key"

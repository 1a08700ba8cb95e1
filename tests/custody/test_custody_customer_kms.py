"""Customer mode with MiniStack's policies: the customer can decrypt, the service cannot."""

import hashlib
import json
import os
import shlex
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custody_aws import ACCOUNT, CustomerAccount
from custody_servers import Server
from encryption_cli import run_decrypt
from simulacra_custody import envelope
from simulacra_custody.artifact_writer import StoredArtifact
from simulacra_custody.errors import ArtifactCorrupt, KeyCheckError, KeyUnavailable
from simulacra_custody.keys import customer_kms
from simulacra_custody.keys.customer_kms import (
    CustomerKey,
    check_customer_key,
    decrypt_metadata,
    open_customer_writer,
    presigned_url,
)
from simulacra_custody.refs import ArtifactRef, ResourceRef
from simulacra_custody.service import Custody
from simulacra_custody.stores.base import ObjectStore
from simulacra_custody.stores.local import LocalStore
from simulacra_custody.verified import open_message
from simulacra_custody.wiring import open_store


@pytest.fixture
def account(aws: Server, monkeypatch: pytest.MonkeyPatch) -> CustomerAccount:
    """Return the customer's account, with the service's credentials in the environment."""
    account = CustomerAccount(aws)
    for name, value in account.service.items():
        monkeypatch.setenv(name, value)
    return account


@pytest.fixture
def key(account: CustomerAccount) -> CustomerKey:
    return CustomerKey(account.key_arn, endpoint=account.server.url)


@pytest.fixture
def ref() -> ArtifactRef:
    return ResourceRef("acme", "generationjobs", "g1").artifact("parts/00000.parquet")


def write(store: ObjectStore, ref: ArtifactRef, key: CustomerKey, data: bytes) -> StoredArtifact:
    with open_customer_writer(store, ref, key) as writer:
        for start in range(0, len(data), 1_000_001):
            writer.write(data[start : start + 1_000_001])
        return writer.commit()


def read_as_the_service(store: ObjectStore, ref: ArtifactRef, key: CustomerKey) -> bytes:
    keyring = envelope.kms_keyring(key.key_arn, key.access.client())
    message, source = open_message(store, ref, keyring)
    return b"".join(message.whole(source))


Decrypt = Callable[[str, dict[str, str]], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def decrypt(account: CustomerAccount, tmp_path: Path) -> Decrypt:
    """Return a function that runs a returned command in ``tmp_path`` with credentials."""
    return lambda command, credentials: run_decrypt(
        command, tmp_path, credentials, account.server.url
    )


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [5, 200])
def test_customer_decrypts_with_the_aws_cli_as_documented(
    key: CustomerKey,
    account: CustomerAccount,
    ref: ArtifactRef,
    decrypt: Decrypt,
    bucket: ObjectStore,
    tmp_path: Path,
    megabytes: int,
) -> None:
    block = os.urandom(1 << 20)
    with open_customer_writer(bucket, ref, key) as writer:
        for number in range(megabytes):
            writer.write(number.to_bytes(4) + block[4:])
        stored = writer.commit()
    metadata = decrypt_metadata(ref, key.key_arn, stored)
    url = presigned_url(bucket, ref)
    assert url is not None
    urllib.request.urlretrieve(url, tmp_path / "parts-00000.parquet.encrypted")
    done = decrypt(metadata.command, account.customer)
    assert (done.returncode, done.stderr) == (0, "")
    table = tmp_path / "parts-00000.parquet"
    with table.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == metadata.sha256
    assert table.stat().st_size == metadata.bytes == megabytes << 20

    table.unlink()
    refused = decrypt(metadata.command, account.service)
    assert refused.returncode != 0
    assert "Unable to decrypt any data key" in refused.stderr
    other = decrypt(metadata.command.replace("tenant=acme", "tenant=globex"), account.customer)
    # It exits with 0, so docs/howto/customer-keys.md says to compare digests.
    assert "deleting output file" in other.stderr
    assert not table.exists()


@pytest.fixture
def bucket(weed: Server, buckets: dict[str, str]) -> ObjectStore:
    """Return a store in SeaweedFS that keeps its credentials when the environment changes."""
    before = {name: os.environ.get(name, "") for name in weed.env}
    os.environ.update(weed.env)
    try:
        url = f"s3://{buckets['s3']}/{os.urandom(6).hex()}?endpoint={weed.url}"
        store = open_store({"STORE": url}, "STORE")
        # The first request resolves the credentials.
        assert store.stat("tenants/acme/generationjobs/g1/x") is None
        return store
    finally:
        os.environ.update(before)


def test_metadata_has_everything_for_decryption(
    store: LocalStore, key: CustomerKey, ref: ArtifactRef
) -> None:
    stored = write(store, ref, key, b"abc")
    metadata = decrypt_metadata(ref, key.key_arn, stored)
    assert metadata.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (metadata.bytes, metadata.format) == (3, "aws-encryption-sdk-message-v2")
    # Version 2, suite 0478 in the SDK's list.
    assert b"".join(store.open_range(ref.key))[:3] == b"\x02\x04\x78"
    assert metadata.encryption_context == ref.encryption_context
    assert f"key={key.key_arn}" in shlex.split(metadata.command)
    assert presigned_url(store, ref) is None


def test_service_cannot_read_what_it_wrote(
    store: LocalStore,
    account: CustomerAccount,
    key: CustomerKey,
    ref: ArtifactRef,
    custody: Custody,
    wrapped: str,
) -> None:
    check_customer_key(key, "acme")
    write(store, ref, key, os.urandom(700_000))
    with pytest.raises(ArtifactCorrupt):
        read_as_the_service(store, ref, key)
    with pytest.raises(KeyUnavailable):
        custody.read(ref, wrapped)


def test_key_that_lets_the_service_decrypt_fails_the_check(
    store: LocalStore, account: CustomerAccount, key: CustomerKey, ref: ArtifactRef
) -> None:
    write(store, ref, key, b"x")
    account.allow_service("kms:GenerateDataKey", "kms:Decrypt")
    assert read_as_the_service(store, ref, key) == b"x"
    said = "the service was not refused kms:Decrypt but got the key"
    with pytest.raises(KeyCheckError, match=said) as failure:
        check_customer_key(key, "acme")
    assert failure.value.step == "refuse"


def test_refusal_for_another_reason_fails_the_check(
    account: CustomerAccount, key: CustomerKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.allow_service("kms:GenerateDataKey", "kms:Decrypt")
    generate = customer_kms._generate

    def disabled_after(*arguments: Any) -> bytes:
        blob = generate(*arguments)
        account.root("kms").disable_key(KeyId=key.key_arn)
        return blob

    monkeypatch.setattr(customer_kms, "_generate", disabled_after)
    with pytest.raises(KeyCheckError, match="but got DisabledException"):
        check_customer_key(key, "acme")


def test_role_needs_the_right_external_id(
    store: LocalStore, account: CustomerAccount, ref: ArtifactRef, key: CustomerKey
) -> None:
    role = account.role("their-id")
    account.allow_service("kms:GenerateDataKey", principal=role)
    with_role = replace(key, role_arn=role, external_id="their-id")
    check_customer_key(with_role, "acme")
    write(store, ref, with_role, b"x")
    for identity in (with_role, key):
        with pytest.raises(ArtifactCorrupt):
            read_as_the_service(store, ref, identity)
    for bad in (replace(with_role, external_id=None), replace(with_role, external_id="other"), key):
        with pytest.raises(KeyUnavailable, match=r"AccessDenied|no answer"):
            write(store, ref, bad, b"y")
        with pytest.raises(KeyCheckError) as failure:
            check_customer_key(bad, "acme")
        assert failure.value.step == "generate"


@pytest.mark.parametrize(
    "state", ["disabled", "pending", "policy", "unknown", "unreachable", "not an ARN"]
)
def test_key_that_cannot_encrypt_stores_nothing(
    store: LocalStore, account: CustomerAccount, ref: ArtifactRef, key: CustomerKey, state: str
) -> None:
    if state == "disabled":
        account.root("kms").disable_key(KeyId=key.key_arn)
    elif state == "pending":
        account.root("kms").schedule_key_deletion(KeyId=key.key_arn, PendingWindowInDays=7)
    elif state == "policy":
        account.allow_service()
    elif state == "unknown":
        key_id = "00000000-0000-0000-0000-000000000000"
        key = replace(key, key_arn=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key_id}")
    elif state == "unreachable":
        key = replace(key, endpoint="http://127.0.0.1:9")
    else:
        key = replace(key, key_arn="alias/mine")
    expected = ValueError if state == "not an ARN" else KeyUnavailable
    with pytest.raises(expected), open_customer_writer(store, ref, key):
        pytest.fail("the writer opened")
    assert [*store.list(""), *store.list_incomplete("")] == []
    with pytest.raises(KeyCheckError):
        check_customer_key(key, "acme")


def test_documented_key_policy_passes_the_check(account: CustomerAccount, key: CustomerKey) -> None:
    """The policy of docs/howto/customer-keys.md without its condition, which no server here has."""
    page = (Path(__file__).parents[2] / "docs" / "howto" / "customer-keys.md").read_text()
    policy = json.loads(page.partition("```json\n")[2].partition("```")[0])
    service = f"arn:aws:iam::{ACCOUNT}:user/service-{account.name}"
    for statement in policy["Statement"]:
        statement.pop("Condition", None)
        who = statement["Principal"]["AWS"]
        statement["Principal"]["AWS"] = who.replace("<you>", ACCOUNT).replace(
            "<the service's role>", service
        )
    account.root("kms").put_key_policy(
        KeyId=key.key_arn, PolicyName="default", Policy=json.dumps(policy)
    )
    check_customer_key(key, "acme")
    client = key.access.client()
    for refused in (
        lambda: client.encrypt(KeyId=key.key_arn, Plaintext=b"x"),
        lambda: client.create_grant(
            KeyId=key.key_arn, GranteePrincipal=service, Operations=["Decrypt"]
        ),
        lambda: client.disable_key(KeyId=key.key_arn),
    ):
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            refused()

"""Rows that the trainer writes in mode Customer: only the customer can read them."""

from __future__ import annotations

from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custody_aws import CustomerAccount
from custody_servers import REGION, Server
from simulacra_crds.tasks import CustomerKeyRef, KeyedRef
from simulacra_custody.artifact_writer import StoredArtifact
from simulacra_custody.envelope import kms_keyring
from simulacra_custody.errors import ArtifactCorrupt, KeyUnavailable
from simulacra_custody.keys.customer_kms import CustomerKey
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody
from simulacra_custody.stores.local import LocalStore
from simulacra_custody.verified import open_message
from simulacra_trainer.tasks.artifacts import Artifacts

ROWS = pa.table({"n": list(range(1000))})


@pytest.fixture
def account(aws: Server, monkeypatch: pytest.MonkeyPatch) -> CustomerAccount:
    account = CustomerAccount(aws)
    for name, value in account.service.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL_STS"):
        monkeypatch.setenv(name, aws.url)
    return account


def artifacts(custody: Custody) -> tuple[Artifacts, str]:
    wrapped = custody.new_resource_key(ResourceRef("acme", "generationjobs", "g1"))
    ref = KeyedRef(kind="generationjobs", uid="g1", wrapped_key=wrapped)
    return Artifacts(custody, "acme", ref), wrapped


def test_rows_open_with_the_customers_key_only(
    custody: Custody, store: LocalStore, account: CustomerAccount, tmp_path: Path
) -> None:
    own, wrapped = artifacts(custody)
    key = CustomerKeyRef(key_arn=account.key_arn)
    part = own.store_table("parts/00000.parquet", iter([ROWS]), ROWS.schema, key)
    assert (part.key_arn, part.rows) == (account.key_arn, 1000)
    ref = ResourceRef("acme", "generationjobs", "g1").artifact(part.name)
    with pytest.raises(ArtifactCorrupt):
        custody.read_bytes(ref, wrapped, limit=1 << 20)
    service = kms_keyring(account.key_arn, CustomerKey(account.key_arn).access.client())
    with pytest.raises(ArtifactCorrupt):
        open_message(store, ref, service)
    customer = boto3.Session().client(
        "kms",
        endpoint_url=account.server.url,
        region_name=REGION,
        aws_access_key_id=account.customer["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=account.customer["AWS_SECRET_ACCESS_KEY"],
    )
    keyring = kms_keyring(account.key_arn, customer)
    message, source = open_message(store, ref, keyring)
    content = b"".join(message.whole(source))
    assert len(content) == part.bytes
    (tmp_path / "t.parquet").write_bytes(content)
    assert pq.read_table(tmp_path / "t.parquet").equals(ROWS)


def test_nothing_is_stored_without_the_customers_key(
    custody: Custody, store: LocalStore, account: CustomerAccount
) -> None:
    account.allow_service()
    own, _ = artifacts(custody)
    key = CustomerKeyRef(key_arn=account.key_arn)
    with pytest.raises(KeyUnavailable):
        own.store_table("parts/00000.parquet", iter([ROWS]), ROWS.schema, key)
    assert not own.exists("parts/00000.parquet")


def test_managed_rows_open_with_the_resources_key(custody: Custody) -> None:
    own, wrapped = artifacts(custody)
    part = own.store_table("parts/00000.parquet", iter([ROWS]), ROWS.schema)
    assert part.key_arn is None
    ref = ResourceRef("acme", "generationjobs", "g1").artifact(part.name)
    content = custody.read_bytes(ref, wrapped, limit=1 << 20)
    assert len(content) == part.bytes
    stated = StoredArtifact(part.name, part.bytes, 0, "0" * 64, part.message_id)
    assert b"".join(custody.read_verified(ref, wrapped, stated)) == content

"""Fixtures of the custody tests: every store and key provider, with real servers."""

import os
import shutil
import uuid
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import pytest

from custody_servers import LOGS, REGION, Server, ministack, moto, openbao, seaweedfs
from simulacra_custody.keys.base import KeyProvider
from simulacra_custody.keys.keyring import LocalKeyring
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody
from simulacra_custody.stores.base import ObjectStore
from simulacra_custody.stores.local import LocalStore
from simulacra_custody.wiring import open_keys, open_store


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the servers printed last, and the room on their disk."""
    report = yield
    if report.failed:
        for log in LOGS:
            free = shutil.disk_usage(log.parent).free >> 20
            last = log.read_text(errors="replace")[-2000:]
            report.sections.append((f"{log.name}, {free} MiB of disk free", last))
    return report


@pytest.fixture(scope="session", autouse=True)
def models_of_boto_are_read_once() -> Iterator[None]:
    """Share botocore's descriptions of services: each new session would parse them again.

    A client of S3 takes 0.25 CPU seconds with its own reading, 0.01 with this one.
    """
    import botocore.session

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        yield


@pytest.fixture
def keyring(tmp_path: Path) -> LocalKeyring:
    keyring = LocalKeyring(tmp_path / "keys" / "keyring.json")
    keyring.create_tenant_key("acme")
    keyring.create_tenant_key("globex")
    return keyring


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def custody(store: LocalStore, keyring: LocalKeyring) -> Custody:
    return Custody(store, keyring)


@pytest.fixture
def dataset() -> ResourceRef:
    return ResourceRef("acme", "datasets", "5f0c")


@pytest.fixture
def wrapped(custody: Custody, dataset: ResourceRef) -> str:
    return custody.new_resource_key(dataset)


@pytest.fixture(scope="session")
def plaintext() -> bytes:
    """Return three full frames and a short one."""
    return os.urandom(3 * 256 * 1024 + 1000)


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with openbao(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ministack(tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture(scope="session")
def buckets(weed: Server) -> dict[str, str]:
    """Return a plain, a versioned and a per-tenant bucket; each test has its own prefix."""
    import boto3

    client = boto3.Session().client(
        "s3",
        endpoint_url=weed.url,
        region_name=REGION,
        aws_access_key_id=weed.access,
        aws_secret_access_key=weed.secret,
    )
    for name in ("plain", "versioned"):
        client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    return {
        "s3": "plain",
        "s3-versioned": "versioned",
        "s3-bucket-per-tenant": "each-{tenant}-{unique}",
    }


@pytest.fixture
def s3(weed: Server, buckets: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a URL in SeaweedFS that no other test uses, and set its credentials."""
    return s3_url(weed, buckets["s3"], monkeypatch)


def s3_url(weed: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in weed.env.items():
        monkeypatch.setenv(name, value)
    unique = uuid.uuid4().hex[:12]
    place = f"{bucket.replace('{unique}', unique)}/some/{unique}"
    return f"s3://{place}?endpoint={weed.url}&region={REGION}"


@pytest.fixture(params=["local", "s3", "s3-versioned", "s3-bucket-per-tenant"])
def any_store_url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Return the URL of an empty store of each kind, and set its credentials."""
    if request.param == "local":
        return f"file://{tmp_path}/store"
    bucket = request.getfixturevalue("buckets")[request.param]
    return s3_url(request.getfixturevalue("weed"), bucket, monkeypatch)


@pytest.fixture
def any_store(any_store_url: str) -> ObjectStore:
    """Return an empty store of each kind."""
    return open_store({"STORE": any_store_url}, "STORE")


@pytest.fixture(params=["local", "openbao", "moto", "ministack"])
def any_keys(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> KeyProvider:
    """Return each key provider."""
    if request.param == "local":
        return LocalKeyring(tmp_path / "keyring.json")
    if request.param == "openbao":
        bao: Server = request.getfixturevalue("bao")
        env = {"SIMULACRA_KEYS": f"vault+{bao.url}/transit", "VAULT_TOKEN": bao.access}
        return open_keys(env).provider("vault")
    fixture = {"moto": "moto_server", "ministack": "aws"}[request.param]
    return aws_kms(request.getfixturevalue(fixture), monkeypatch)


def aws_kms(server: Server, monkeypatch: pytest.MonkeyPatch) -> KeyProvider:
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    url = f"awskms://?region={REGION}&endpoint={server.url}"
    return open_keys({"SIMULACRA_KEYS": url}).provider("awsKms")


@pytest.fixture
def tenants() -> tuple[str, str]:
    """Return the names of two tenants that no other test on the same servers uses."""
    return f"acme-{uuid.uuid4().hex[:8]}", f"globex-{uuid.uuid4().hex[:8]}"

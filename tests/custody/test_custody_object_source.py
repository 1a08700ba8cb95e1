"""A pod reads a Dataset's object from a real S3 server."""

from __future__ import annotations

import hashlib
import json
import signal
import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest

from custody_servers import REGION, Server, free_ports
from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import (
    DATASET,
    FAILURE,
    REQUEST,
    SOURCE_VARIABLES,
    TASK_ENV,
    TERMINATION_PATH_ENV,
    UPLOAD,
    ExitCode,
    Failure,
    KeyedRef,
    PrepareRequest,
    SourceRequest,
    TaskResult,
    TaskSpec,
)
from simulacra_custody.refs import ResourceRef
from simulacra_custody.wiring import open_custody
from simulacra_intake.errors import InputError
from simulacra_trainer.tasks import entry
from simulacra_trainer.tasks.artifacts import Artifacts
from simulacra_trainer.tasks.object_source import SourceUnavailable, fetch

TABLE = b"zq_who,zq_many\n" + b"".join(b"ada,%d\ngrace,%d\n" % (n, n + 1) for n in range(40))
DIGEST = hashlib.sha256(TABLE).hexdigest()


def client(server: Server, service: str = "s3") -> Any:
    access = {"aws_access_key_id": server.access, "aws_secret_access_key": server.secret}
    return boto3.Session().client(service, endpoint_url=server.url, region_name=REGION, **access)


def variables(access: str, secret: str) -> dict[str, str]:
    return dict(zip(SOURCE_VARIABLES, (access, secret), strict=False))


@pytest.fixture(scope="module")
def uri(weed: Server) -> str:
    """Return the uri of the table, in its own bucket."""
    bucket = f"acme-{uuid.uuid4().hex[:8]}"
    client(weed).create_bucket(Bucket=bucket)
    client(weed).put_object(Bucket=bucket, Key="in/the table+.csv", Body=TABLE)
    return f"s3://{bucket}/in/the table+.csv"


def request(weed: Server, uri: str, **more: Any) -> SourceRequest:
    return SourceRequest.model_validate(
        {"uri": uri, "limit": 1 << 20, "endpoint": weed.url, **more}
    )


def refusal(source: SourceRequest, env: dict[str, str], path: Path) -> tuple[Reason, str]:
    with pytest.raises(InputError) as refused:
        fetch(source, env, path)
    assert source.uri not in refused.value.message, (
        "the message is copied to status, which must not name the uri"
    )
    assert source.uri in refused.value.detail
    return refused.value.reason, refused.value.message


def test_object_is_downloaded_and_measured(weed: Server, uri: str, tmp_path: Path) -> None:
    source = request(weed, uri, sha256=DIGEST, bytes=len(TABLE), limit=len(TABLE))
    found = fetch(source, variables(weed.access, weed.secret), tmp_path / "file")
    assert (found.sha256, found.bytes) == (DIGEST, len(TABLE))
    assert (tmp_path / "file").read_bytes() == TABLE


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        ({"limit": len(TABLE) - 1}, Reason.SOURCE_TOO_LARGE, f"limit of {len(TABLE) - 1} bytes"),
        ({"sha256": "0" * 64}, Reason.SOURCE_MISMATCH, "digest of the object differs"),
        ({"bytes": 1}, Reason.SOURCE_MISMATCH, "size of the object differs"),
        (
            {"uri": "s3://no-such-bucket-here/x.csv"},
            Reason.SOURCE_UNREADABLE,
            "its bucket does not exist",
        ),
        (
            {"uri": "{bucket}/in/absent.csv"},
            Reason.SOURCE_UNREADABLE,
            "The object or its bucket does not exist",
        ),
    ],
)
def test_object_that_differs_from_its_description_is_rejected(
    weed: Server, uri: str, tmp_path: Path, change: dict[str, Any], reason: Reason, message: str
) -> None:
    place = str(change.get("uri", uri)).format(bucket=uri.partition("/in/")[0])
    found = refusal(
        request(weed, **{**change, "uri": place}),
        variables(weed.access, weed.secret),
        tmp_path / "file",
    )
    assert found[0] == reason
    assert message in found[1]


def test_pod_credentials_never_read_a_source(
    weed: Server, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pod's credentials for the installation's own store.
    for name, value in weed.env.items():
        monkeypatch.setenv(name, value)
    empty = refusal(request(weed, uri), dict(weed.env), tmp_path / "file")
    assert empty[0] == Reason.SOURCE_UNREADABLE
    assert "lacks AWS_ACCESS_KEY_ID" in empty[1]
    wrong = refusal(request(weed, uri), variables(weed.access, "wrong"), tmp_path / "file")
    assert wrong == (
        Reason.SOURCE_UNREADABLE,
        "The object store denies access (SignatureDoesNotMatch). "
        "Check spec.sources of the Tenant and spec.source.uri.",
    )
    own = {
        **variables(weed.access, weed.secret),
        "SIMULACRA_STORE": f"s3://{uri.split('/')[2]}/data",
    }
    assert refusal(request(weed, uri), own, tmp_path / "file")[0] == Reason.SOURCE_NOT_ALLOWED


def test_unreachable_store_is_retried(uri: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    away = SourceRequest(uri=uri, limit=10, endpoint=f"http://127.0.0.1:{port}")
    with pytest.raises(SourceUnavailable, match=r"cannot be reached .* NetworkPolicy") as missed:
        fetch(away, variables("a", "b"), tmp_path / "file")
    assert uri not in str(missed.value)


def test_role_is_assumed_for_one_object(
    moto_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    bucket = f"acme-{uuid.uuid4().hex[:8]}"
    client(moto_server).create_bucket(Bucket=bucket)
    client(moto_server).put_object(Bucket=bucket, Key="in/t.csv", Body=TABLE)
    for name, value in {**moto_server.env, "AWS_ENDPOINT_URL_STS": moto_server.url}.items():
        monkeypatch.setenv(name, value)
    from simulacra_custody.keys import aws_access

    assume = aws_access.assume_role
    monkeypatch.setattr(
        aws_access, "assume_role", lambda *a, **k: asked.append({"args": a, **k}) or assume(*a, **k)
    )
    role = "arn:aws:iam::123456789012:role/reader"
    source = request(moto_server, f"s3://{bucket}/in/t.csv", roleArn=role, externalId="acme-7c1")
    assert fetch(source, {}, tmp_path / "file").sha256 == DIGEST
    assert asked[0]["args"] == (role, "acme-7c1")
    (statement,) = json.loads(asked[0]["policy"])["Statement"]
    assert (statement["Action"], statement["Resource"]) == (
        "s3:GetObject",
        f"arn:aws:s3:::{bucket}/in/t.csv",
    )


@pytest.mark.parametrize("well", [True, False])
def test_pod_prepares_the_object_and_stores_no_copy(
    weed: Server, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, well: bool
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    env = {
        "SIMULACRA_STORE": f"file://{tmp_path}/store",
        "SIMULACRA_KEYS": f"local://{tmp_path}/keys.json",
    }
    custody = open_custody(env)
    custody.keys.create_tenant_key("acme")
    key = custody.new_resource_key(ResourceRef("acme", "datasets", "u1"))
    spec = TaskSpec(
        task="prepare", tenant="acme", resource=KeyedRef(kind="datasets", uid="u1", wrapped_key=key)
    )
    own = Artifacts(custody, "acme", spec.resource)
    wanted = request(weed, uri, sha256=DIGEST if well else "0" * 64)
    own.store_model(REQUEST, PrepareRequest(format="csv", source=wanted))
    env |= {
        TASK_ENV: spec.model_dump_json(by_alias=True),
        TERMINATION_PATH_ENV: str(tmp_path / "end"),
    }
    code = entry.run_task({**env, **variables(weed.access, weed.secret)})
    result = TaskResult.model_validate_json((tmp_path / "end").read_bytes())
    assert not own.exists(UPLOAD)
    if not well:
        assert (code, result.reason) == (ExitCode.USER_ERROR, "SourceMismatch")
        assert uri in own.load(FAILURE, Failure).detail
        return
    assert (code, result.rows, result.columns) == (ExitCode.OK, 80, 2)
    assert result.source is not None
    assert (result.source.sha256, result.source.bytes) == (DIGEST, len(TABLE))
    assert own.exists(DATASET)
    # A pod that was killed before its result was read runs again, without the object.
    assert entry.run_task(env) == ExitCode.OK
    assert TaskResult.model_validate_json((tmp_path / "end").read_bytes()).source == result.source

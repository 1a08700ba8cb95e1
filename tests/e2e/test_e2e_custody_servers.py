"""A customer's whole flow on OpenBao and SeaweedFS, then with a key of the customer's.

Customer mode runs on SeaweedFS and MiniStack: the tenant's and the customer's key are in KMS, and
the service is a user that may not decrypt with the customer's.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest

from custody_aws import CustomerAccount
from custody_servers import REGION, Server, ministack, openbao, seaweedfs
from encryption_cli import run_decrypt
from installation import SURVEY, Installation, eventually
from simulacra.certificates import verify_certificate

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]
BUCKET = "simulacra"
WORDS = (b"tv_hours", b"very happy")


class RawStore:
    """What a thief of the object store sees."""

    def __init__(self, weed: Server) -> None:
        keys = {"aws_access_key_id": weed.access, "aws_secret_access_key": weed.secret}
        self._s3: Any = boto3.Session().client(
            "s3", endpoint_url=weed.url, region_name=REGION, **keys
        )

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Put an object into a bucket of the tenant."""
        self._s3.create_bucket(Bucket=bucket)
        self._s3.put_object(Bucket=bucket, Key=key, Body=content)

    def make_bucket(self) -> None:
        self._s3.create_bucket(Bucket=BUCKET)
        self._s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})

    def tenant_keys(self) -> list[str]:
        """Return every object, old version, delete marker and unfinished upload under tenants/."""
        versions = self._s3.list_object_versions(Bucket=BUCKET, Prefix="data/tenants/")
        uploads = self._s3.list_multipart_uploads(Bucket=BUCKET, Prefix="data/tenants/").get(
            "Uploads", []
        )
        found = [*versions.get("Versions", []), *versions.get("DeleteMarkers", []), *uploads]
        return [str(one["Key"]) for one in found]

    def content(self) -> bytes:
        return b"".join(
            self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in self.tenant_keys()
        )


@contextmanager
def running(folder: Path, weed: Server, keys: str, env: dict[str, str]) -> Iterator[Installation]:
    query = f"?endpoint={weed.url}&region={REGION}"
    store = {
        "SIMULACRA_STORE": f"s3://{BUCKET}/data{query}",
        "SIMULACRA_AUDIT": f"s3://{BUCKET}/audit{query}",
    }
    one = Installation(folder / "data", {**weed.env, **env, **store, "SIMULACRA_KEYS": keys})
    one.start()
    try:
        yield one
    finally:
        assert one.stop() == 0


def printed_output(one: Installation) -> str:
    """Return the installation's logs, and its resources as kubectl prints them."""
    logs = [path.read_text(errors="replace") for path in one.data_dir.rglob("*.log")]
    return "".join(logs) + one.kubectl(
        "get", "tenants,datasets,models,generationjobs,jobs,pods", "-A", "-o", "json"
    )


def verify_log(weed: Server, key: str) -> str:
    """Verify the log in the bucket as a reviewer would."""
    log = f"s3://{BUCKET}/audit?endpoint={weed.url}&region={REGION}"
    command = [sys.executable, "-m", "simulacra_custody.verify", log, "--key", key]
    done = subprocess.run(
        command, env=os.environ | weed.env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def apply(one: Installation, kind: str, name: str, **body: Any) -> None:
    version = "v1" if kind == "Secret" else "simulacra.dev/v1alpha1"
    metadata = {"name": name, "namespace": "tenant-default"}
    one.kubectl(
        "apply",
        "-f",
        "-",
        stdin=json.dumps({"apiVersion": version, "kind": kind, "metadata": metadata, **body}),
    )


def create_from_object(one: Installation, name: str, **source: Any) -> None:
    apply(one, "Dataset", name, spec={"source": {"type": "Object", **source}})


def create_before_secret(one: Installation, weed: Server, raw_store: RawStore) -> None:
    """Create a Dataset from an object before the Secret that its Tenant names exists."""
    raw_store.put("acme-in", "drop/survey.csv", SURVEY.read_bytes())
    source = {"prefix": "s3://acme-in/drop/", "endpoint": weed.url, "secretName": "acme-reader"}
    patch = json.dumps({"spec": {"sources": [source, {**source, "prefix": f"s3://{BUCKET}/"}]}})
    one.kubectl("patch", "tenant", "default", "--type=merge", "-p", patch)
    create_from_object(
        one,
        "ds-good",
        uri="s3://acme-in/drop/survey.csv",
        format="csv",
        bytes=SURVEY.stat().st_size,
    )


def check_object_sources(one: Installation, weed: Server) -> None:
    """Check that a Dataset reads an object that its Tenant allows, and no other."""
    within = ("-n", "tenant-default", "--timeout=60s")
    ready = '{.status.conditions[?(@.type=="Ready")].reason}'
    one.kubectl("wait", "dataset/ds-good", f"--for=jsonpath={ready}=SourceSecretMissing", *within)
    apply(
        one, "Secret", "acme-reader", stringData={k: v for k, v in weed.env.items() if "KEY" in k}
    )
    wanted = {
        "ds-absent": "s3://acme-in/drop/absent.csv",
        "ds-foreign": "s3://acme-in/other/survey.csv",
        "ds-ours": f"s3://{BUCKET}/data/tenants/x",
    }
    for name, uri in wanted.items():
        create_from_object(one, name, uri=uri)
    ended = {
        "ds-absent": "SourceUnreadable",
        "ds-foreign": "SourceNotAllowed",
        "ds-ours": "SourceNotAllowed",
    }
    for name, reason in ended.items():
        one.kubectl(
            "wait",
            f"dataset/{name}",
            f"--for=jsonpath={{.status.lastFailure.reason}}={reason}",
            *within,
        )
    one.kubectl("wait", "dataset/ds-good", "--for=condition=Ready", *within)
    assert "The object or its bucket does not exist" in one.kubectl(
        "describe", "dataset/ds-absent", "-n", "tenant-default"
    )
    with one.client() as client:
        shown = next(body for body in client.datasets() if body["dataset_id"] == "ds-good")
        reads = client.audit_events(type="dev.simulacra.source.read")
    assert (shown["status"], shown["bytes"]) == ("ready", SURVEY.stat().st_size)
    said = {
        (one["outcome"], one.get("sha256"), (one.get("counts") or {}).get("bytes")) for one in reads
    }
    digest = hashlib.sha256(SURVEY.read_bytes()).hexdigest()
    assert said == {("success", digest, SURVEY.stat().st_size), ("failed", None, None)}
    assert len(reads) == 2, "of what may not be read nothing was"
    one.kubectl("delete", "dataset", "ds-good", *wanted, *within)


def seal(bao: Server, verb: str, body: dict[str, str]) -> None:
    request = urllib.request.Request(
        f"{bao.url}/v1/sys/{verb}",
        json.dumps(body).encode(),
        {"X-Vault-Token": bao.access},
        method="POST",
    )
    urllib.request.urlopen(request, timeout=60).close()


def test_main_job_on_openbao_and_seaweedfs(tmp_path: Path) -> None:
    with openbao(tmp_path) as bao, seaweedfs(tmp_path) as weed:
        raw_store = RawStore(weed)
        raw_store.make_bucket()
        keys, token = f"vault+{bao.url}/transit", {"VAULT_TOKEN": bao.access}
        with running(tmp_path, weed, keys, token) as one, one.client() as client:
            create_before_secret(one, weed, raw_store)
            uploaded = client.upload(SURVEY, family="forest")
            client.wait(uploaded["job_id"], timeout=120)
            dataset = uploaded["dataset_id"]
            asked = client.generate(
                dataset, 500, conditions={"categorical": {"happiness": {"very happy": 0.5}}}
            )
            client.wait(asked["job_id"], timeout=60)
            client.download(asked["generation_id"], tmp_path / "rows.parquet")
            rows = pq.read_table(tmp_path / "rows.parquet")
            assert rows["happiness"].to_pylist().count("very happy") == 250

            check_object_sources(one, weed)
            content = raw_store.content()
            assert len(content) > 10_000
            assert not [word for word in WORDS if word in content]
            words = printed_output(one)
            assert not [secret for secret in (bao.access, weed.secret) if secret in words]

            url = client.generation(asked["generation_id"])["artifact_url"]
            seal(bao, "seal", {})
            refused = client._http.get(url)
            assert (refused.status_code, refused.json()["code"]) == (503, "simio_unavailable")
            seal(bao, "unseal", {"key": bao.secret})
            client.download(asked["generation_id"], tmp_path / "again.parquet")
            assert pq.read_table(tmp_path / "again.parquet").equals(rows)

            client.delete_dataset(dataset)
            assert raw_store.tenant_keys() == []
            keys_document = client.published_keys()
            for resource in (dataset, asked["generation_id"]):
                stated = verify_certificate(client.erasure_certificate(resource), keys_document)
                assert stated["cause"] == "deleted"
            assert "audit log verified" in verify_log(weed, keys_document["audit_log"])


def allow_tenant_keys(account: CustomerAccount) -> None:
    """Let the service's user keep tenant keys in KMS, and never decrypt with the customer's key."""
    statements = [
        {"Effect": "Allow", "Action": "kms:*", "Resource": "*"},
        {"Effect": "Deny", "NotAction": "kms:GenerateDataKey", "Resource": account.key_arn},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    account.root("iam").put_user_policy(
        UserName=f"service-{account.name}", PolicyName="keys", PolicyDocument=policy
    )


def key_ready(one: Installation) -> dict[str, Any]:
    conditions = json.loads(one.kubectl("get", "tenant", "default", "-o", "json"))["status"][
        "conditions"
    ]
    found: dict[str, Any] = next(each for each in conditions if each["type"] == "KeyReady")
    return found


def set_encryption(one: Installation, **fields: str | None) -> None:
    patch = json.dumps({"spec": {"encryption": fields}})
    one.kubectl("patch", "tenant", "default", "--type=merge", "-p", patch)


def test_customer_key_mode_end_to_end(tmp_path: Path) -> None:
    with ministack(tmp_path) as kms:
        account = CustomerAccount(kms)
        allow_tenant_keys(account)
        service = account.service
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        with seaweedfs(tmp_path, *(service[name] for name in names)) as weed:
            raw_store = RawStore(weed)
            raw_store.make_bucket()
            env = {"AWS_ENDPOINT_URL_KMS": kms.url, "AWS_ENDPOINT_URL_STS": kms.url}
            keys = f"awskms://?region={REGION}&endpoint={kms.url}"
            with running(tmp_path, weed, keys, env) as one, one.client() as client:
                uploaded = client.upload(SURVEY, family="forest")
                set_encryption(one, mode="Customer", keyArn=account.key_arn)
                client.wait(uploaded["job_id"], timeout=120)
                dataset = uploaded["dataset_id"]
                asked = client.generate(dataset, 300, seed=1)
                client.wait(asked["job_id"], timeout=60)
                shown = client.generation(asked["generation_id"])
                assert shown["artifact_url"] is None
                (part,) = shown["artifacts"]
                encrypted = tmp_path / "parts-00000.parquet.encrypted"
                urllib.request.urlretrieve(part["url"], encrypted)
                done = run_decrypt(part["decrypt"]["command"], tmp_path, account.customer, kms.url)
                assert (done.returncode, done.stderr) == (0, "")
                assert pq.read_table(tmp_path / "parts-00000.parquet").num_rows == 300
                refused = run_decrypt(part["decrypt"]["command"], tmp_path, service, kms.url)
                assert refused.returncode != 0
                assert "Unable to decrypt any data key" in refused.stderr

                account.root("kms").disable_key(KeyId=account.key_arn)
                set_encryption(one, mode="Managed", keyArn=None)
                # A changed spec is checked at once, an unchanged one every 5 minutes.
                set_encryption(one, mode="Customer", keyArn=account.key_arn)
                eventually(lambda: key_ready(one)["status"] == "False")
                assert (
                    key_ready(one)["message"] == "The key check failed at step customer generate."
                )
                late = client.generate(dataset, 100, seed=2)
                time.sleep(2)
                job = client.job(late["job_id"])
                assert job["status"] not in ("ready", "failed"), job
                account.root("kms").enable_key(KeyId=account.key_arn)
                client.wait(late["job_id"], timeout=90)
                assert key_ready(one)["status"] == "True"

                client.delete_dataset(dataset)
                assert raw_store.tenant_keys() == []
                with pytest.raises(urllib.error.HTTPError, match="404"):
                    urllib.request.urlopen(part["url"], timeout=60)
                stated = client.erasure_certificate(asked["generation_id"])
                assert verify_certificate(stated, client.published_keys())["cause"] == "deleted"
                assert service["AWS_SECRET_ACCESS_KEY"] not in printed_output(one)

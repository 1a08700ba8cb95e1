"""The S3 store with SeaweedFS: links, credentials, settings, memory, layouts."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from custody_servers import Server
from simulacra_custody.errors import ArtifactCorrupt, ObjectExists, StoreUnavailable
from simulacra_custody.keys.base import KeyProvider
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody
from simulacra_custody.stores.s3.client import S3Location
from simulacra_custody.stores.s3.store import S3Store
from simulacra_custody.wiring import open_store

KEY = "tenants/acme/datasets/u1/raw"


@pytest.fixture
def s3_store(s3: str) -> S3Store:
    store = open_store({"STORE": s3}, "STORE")
    assert isinstance(store, S3Store)
    return store


def status(url: str, method: str = "GET") -> int:
    try:
        request = urllib.request.Request(url, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_presigned_link_reads_one_object_only(s3_store: S3Store) -> None:
    s3_store.put(KEY, [b"ciphertext"])
    s3_store.put(KEY + "2", [b"another"])
    url = s3_store.presign(KEY)
    assert "X-Amz-Expires=900" in url
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"ciphertext"
    assert status(url.partition("?")[0]) == 403
    assert status(url.replace("/raw?", "/raw2?")) == 403
    assert status(url.replace("X-Amz-Expires=900", "X-Amz-Expires=9000")) == 403
    assert status(url, "PUT") == 403
    assert status(url, "DELETE") == 403
    assert s3_store.stat(KEY) is not None


def test_expired_link_is_rejected(s3_store: S3Store) -> None:
    s3_store.put(KEY, [b"ciphertext"])
    url = s3_store.presign(KEY, 1)
    assert status(url) == 200
    time.sleep(2.1)
    assert status(url) == 403


def test_link_to_an_erased_object_is_not_found(s3_store: S3Store) -> None:
    s3_store.put(KEY, [b"ciphertext"])
    url = s3_store.presign(KEY)
    s3_store.delete_prefix("tenants/acme/")
    assert status(url) == 404


def test_links_use_the_public_endpoint(s3: str) -> None:
    store = open_store({"STORE": s3 + "&public-endpoint=https://files.example.com"}, "STORE")
    assert isinstance(store, S3Store)
    assert store.presign(KEY).startswith("https://files.example.com/plain/some/")


@pytest.mark.parametrize("secret", ["x" * 20, ""])
def test_wrong_or_missing_credentials_are_unavailable(
    s3: str, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    if secret:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    else:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    store = open_store({"STORE": s3}, "STORE")
    for attempt in (
        lambda: store.put(KEY, [b"x"]),
        lambda: store.stat(KEY),
        lambda: store.open_range(KEY),
        lambda: list(store.list("")),
        lambda: store.delete_prefix("tenants/acme/"),
        lambda: list(store.list_incomplete("")),
    ):
        with pytest.raises(
            StoreUnavailable, match=r"SignatureDoesNotMatch|403|NoCredentialsError|AccessDenied"
        ):
            attempt()
    with pytest.raises(StoreUnavailable), store.open_put(KEY):
        pytest.fail("the put began")


def test_missing_bucket_and_unreachable_server_are_unavailable(s3: str) -> None:
    absent = open_store({"STORE": s3.replace("s3://plain/", "s3://no-such-bucket/")}, "STORE")
    for attempt in (
        lambda: absent.put(KEY, [b"x"]),
        lambda: list(absent.list("")),
        lambda: absent.open_range(KEY),
    ):
        with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
            attempt()
    dead = open_store(
        {"STORE": "s3://bucket?endpoint=http://127.0.0.1:9&region=us-east-1"}, "STORE"
    )
    with pytest.raises(StoreUnavailable, match="EndpointConnectionError"):
        dead.stat(KEY)


def test_tampered_truncated_and_swapped_objects_are_rejected(
    s3_store: S3Store, any_keys: KeyProvider, tenants: tuple[str, str], plaintext: bytes
) -> None:
    custody, resource = Custody(s3_store, any_keys), ResourceRef(tenants[0], "datasets", "u1")
    any_keys.create_tenant_key(tenants[0])
    wrapped = custody.new_resource_key(resource)
    one, two = resource.artifact("dataset"), resource.artifact("schema")
    custody.write(one, wrapped, [plaintext])
    custody.write(two, wrapped, [b"schema"])
    assert b"".join(custody.read(one, wrapped)) == plaintext
    message = b"".join(s3_store.open_range(one.key))
    flipped = message[:5000] + bytes([message[5000] ^ 1]) + message[5001:]
    for bad in (
        flipped,
        message[:-1],
        message[: len(message) // 2],
        b"".join(s3_store.open_range(two.key)),
    ):
        s3_store.put(one.key, [bad])
        with pytest.raises(ArtifactCorrupt):
            b"".join(custody.read(one, wrapped))


def test_bucket_of_a_tenant_is_made_and_removed(weed: Server, s3: str) -> None:
    unique = os.urandom(4).hex()
    store = open_store(
        {"STORE": s3.replace("s3://plain/", f"s3://t-{{tenant}}-{unique}/")}, "STORE"
    )
    store.put("tenants/acme/datasets/u1/raw", [b"1"])
    store.put("tenants/globex/datasets/u1/raw", [b"1"])
    client = boto3.Session().client("s3", endpoint_url=weed.url)

    def made() -> list[str]:
        return [
            one["Name"] for one in client.list_buckets()["Buckets"] if one["Name"].endswith(unique)
        ]

    assert made() == [f"t-acme-{unique}", f"t-globex-{unique}"]
    assert [info.key for info in store.list("tenants/")] == [
        f"tenants/{name}/datasets/u1/raw" for name in ("acme", "globex")
    ]
    store.delete_prefix("tenants/acme/datasets/u1/")
    assert len(made()) == 2
    assert store.delete_prefix("tenants/acme/") == 0
    assert made() == [f"t-globex-{unique}"]
    with pytest.raises(ValueError, match="under tenants/"):
        store.put("segments/1", [b"x"])


def stubbed(monkeypatch: pytest.MonkeyPatch, sse_kms: str | None = None) -> tuple[S3Store, Stubber]:
    """Return a store with stubbed answers, for what no server here does (SSE-KMS, 409)."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    store = S3Store(S3Location("bucket", region="us-east-1", sse_kms=sse_kms))
    stub = Stubber(store._client)
    stub.activate()
    return store, stub


def test_sse_kms_is_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    store, stub = stubbed(monkeypatch, "alias/bucket")
    sse = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/bucket"}
    target = {"Bucket": "bucket", "Key": KEY}
    stub.add_response("put_object", {}, {**target, "Body": b"x", **sse})
    stub.add_client_error("head_object", "404")
    stub.add_response("create_multipart_upload", {"UploadId": "u"}, {**target, **sse})
    stub.add_response("abort_multipart_upload", {}, {**target, "UploadId": "u"})
    store.put(KEY, [b"x"])
    with store.open_put(KEY):
        pass
    stub.assert_no_pending_responses()


def test_conflicting_conditional_write_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    store, stub = stubbed(monkeypatch)
    stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    with pytest.raises(ObjectExists):
        store.put(KEY, [b"x"], if_absent=True)
    stub.assert_no_pending_responses()


def test_refused_deletion_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    store, stub = stubbed(monkeypatch)
    stub.add_response("list_object_versions", {"Versions": [{"Key": KEY, "VersionId": "v1"}]})
    stub.add_response("delete_objects", {"Errors": [{"Key": KEY, "Code": "AccessDenied"}]})
    with pytest.raises(StoreUnavailable, match="refused to delete 1 objects: AccessDenied"):
        store.delete_prefix("tenants/acme/")


MEMORY = """
import json, os, re, sys
from simulacra_custody.wiring import open_store
store, block = open_store(os.environ, "STORE"), os.urandom(1 << 20)
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1024
store.put("tenants/acme/datasets/u1/small", [block])
before = peak()
with store.open_put("tenants/acme/datasets/u1/raw") as upload:
    for _ in range(int(sys.argv[1])):
        upload.write(block)
    size = upload.commit().size
assert size == sum(len(chunk) for chunk in store.open_range("tenants/acme/datasets/u1/raw"))
print(json.dumps({"grown": peak() - before, "size": size}))
"""


@pytest.mark.slow
def test_100_megabytes_stream_in_constant_memory(s3: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, "100"],
        env={**os.environ, "STORE": s3},
        capture_output=True,
        text=True,
        check=True,
    )
    figures: dict[str, Any] = json.loads(run.stdout)
    assert figures["size"] == 100 << 20
    # MiB: a part, its copy for the request and the buffers of the connection.
    assert figures["grown"] < 80

"""The canary's search of a real S3 store: marks in keys, contents and unfinished puts."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from simulacra_custody.stores.base import ObjectStore
from simulacra_custody.stores.s3.buckets import S3Buckets
from simulacra_custody.stores.s3.client import S3Location
from simulacra_custody.wiring import open_store
from simulacra_operator.tasks.canary.marks import Marks
from simulacra_operator.tasks.canary.places import NotSearched, Tally, search_store

KEY = "tenants/acme/datasets/u/raw"


@pytest.fixture(params=["plain", "versioned"])
def bucket(request: pytest.FixtureRequest, s3: str) -> ObjectStore:
    return open_store({"STORE": s3.replace("plain", request.param)}, "STORE")


def found(store: ObjectStore, marks: Marks) -> int:
    tally = Tally(marks.needles)
    search_store(store, time.time(), tally)
    return tally.found


@pytest.mark.parametrize(
    "seed",
    [
        lambda store, marks: store.put(KEY, [b"x" * 100_000, marks.table()]),
        lambda store, marks: store.put(f"tenants/acme/datasets/u/{marks.column}", [b"x"]),
    ],
    ids=["content", "key"],
)
def test_mark_is_found(bucket: ObjectStore, seed: Callable[[ObjectStore, Marks], object]) -> None:
    marks = Marks.new()
    bucket.put("tenants/acme/models/u/model", [b"x" * 100_000])
    assert found(bucket, marks) == 0
    seed(bucket, marks)
    assert found(bucket, marks) == 1


def test_replaced_version_makes_the_store_unsearched(s3: str) -> None:
    store, marks = open_store({"STORE": s3.replace("plain", "versioned")}, "STORE"), Marks.new()
    store.put(KEY, [marks.table()])
    store.put(KEY, [b"another"])
    with pytest.raises(NotSearched, match="versions"):
        found(store, marks)


def test_a_tenants_prefix_is_listed_in_its_own_bucket_alone() -> None:
    """Listing all buckets takes a right that the service need not have."""
    location = S3Location("acme-{tenant}", "", None, None, "us-east-1", None)
    buckets = S3Buckets(None, location)
    assert list(buckets._under("tenants/globex/")) == ["acme-globex"]

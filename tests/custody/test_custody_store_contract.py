"""Contract of object stores: a directory and SeaweedFS in three layouts."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from in_threads import in_threads
from simulacra_custody.errors import ArtifactMissing, ObjectExists, StoreUnavailable
from simulacra_custody.stores.base import ObjectStore

KEY = "tenants/acme/datasets/u1/raw"
PREFIX = "tenants/acme/datasets/u1/"
TENANT = "tenants/acme/"


def content(store: ObjectStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(store.open_range(key, start, end))


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def left(store: ObjectStore, prefix: str = "") -> list[str]:
    """Return every key with a version or an unfinished put."""
    return [info.key for info in (*store.list_versions(prefix), *store.list_incomplete(prefix))]


def test_object_is_listed_and_reads_back(any_store: ObjectStore) -> None:
    info = any_store.put(KEY, [b"abc", b"", b"def"])
    assert (info.key, info.size) == (KEY, 6)
    found = any_store.stat(KEY)
    assert found is not None
    assert (found.key, found.size) == (KEY, 6)
    assert found.modified == pytest.approx(info.modified, abs=2)
    for prefix in ("", "tenants/", TENANT, PREFIX):
        assert [(one.key, one.size) for one in any_store.list(prefix)] == [(KEY, 6)]
    assert list(any_store.list("tenants/globex/")) == []
    assert content(any_store, KEY) == b"abcdef"


@pytest.mark.parametrize("size", [0, 1000, (16 << 20) + 5])
def test_all_sizes_read_back_whole_and_in_pieces(any_store: ObjectStore, size: int) -> None:
    data = os.urandom(size)
    assert any_store.put(KEY, [data]).size == size
    assert content(any_store, KEY) == data
    with any_store.open_put(PREFIX + "parts/1") as upload:
        for start in range(0, size, 5_000_001):
            upload.write(data[start : start + 5_000_001])
        assert upload.commit().size == size
    assert content(any_store, PREFIX + "parts/1") == data
    assert list(any_store.list_incomplete("")) == []


def test_ranges_read_back(any_store: ObjectStore) -> None:
    any_store.put(KEY, [b"abcdef"])
    ranges = [
        (0, 2, b"ab"),
        (2, None, b"cdef"),
        (1, 1, b""),
        (4, 99, b"ef"),
        (9, None, b""),
        (0, None, b"abcdef"),
    ]
    assert [content(any_store, KEY, start, end) for start, end, _ in ranges] == [
        expected for *_, expected in ranges
    ]


def test_missing_object_is_reported(any_store: ObjectStore) -> None:
    assert any_store.stat(KEY) is None
    for start, end in ((0, None), (1, 1), (5, 9)):
        with pytest.raises(ArtifactMissing, match=KEY):
            any_store.open_range(KEY, start, end)
    any_store.delete(KEY)
    assert any_store.delete_prefix(PREFIX) == 0
    assert any_store.purge_incomplete(PREFIX) == 0


def test_put_replaces_the_whole_object(any_store: ObjectStore) -> None:
    any_store.put(KEY, [b"a longer first version"])
    any_store.put(KEY, [b"short"])
    assert content(any_store, KEY) == b"short"


@pytest.mark.parametrize("whole", [True, False])
def test_conditional_put_keeps_the_first_object(any_store: ObjectStore, whole: bool) -> None:
    def put(data: bytes) -> None:
        if whole:
            any_store.put(KEY, [data], if_absent=True)
            return
        with any_store.open_put(KEY, if_absent=True) as upload:
            upload.write(data)
            upload.commit()

    put(b"first")
    with pytest.raises(ObjectExists):
        put(b"second")
    assert content(any_store, KEY) == b"first"
    assert left(any_store) == [KEY]
    any_store.delete(KEY)
    put(b"third")
    assert content(any_store, KEY) == b"third"


def test_one_of_many_conditional_writers_wins(any_store: ObjectStore) -> None:
    any_store.put(PREFIX + "other", [b"x"])
    errors = in_threads(
        8, lambda number: any_store.put(KEY, [bytes([number]) * 1000], if_absent=True)
    )
    assert [type(error) for error in errors] == [ObjectExists] * 7
    assert len(set(content(any_store, KEY))) == 1


def test_put_is_invisible_before_commit_and_gone_after_abort(any_store: ObjectStore) -> None:
    with any_store.open_put(KEY) as upload:
        upload.write(b"half")
        assert keys(any_store) == []
        assert any_store.stat(KEY) is None
        assert [info.key for info in any_store.list_incomplete(PREFIX)] == [KEY]
        assert list(any_store.list_incomplete("tenants/acme/models/")) == []
    assert left(any_store) == []


def test_failing_source_stores_nothing_and_raises_its_own_error(any_store: ObjectStore) -> None:
    def source() -> Iterator[bytes]:
        yield b"p" * (17 << 20)
        raise ConnectionResetError("the client went away")

    any_store.put(KEY, [b"before"])
    with pytest.raises(ConnectionResetError):
        any_store.put(KEY, source())
    assert content(any_store, KEY) == b"before"
    assert list(any_store.list_incomplete("")) == []


def test_delete_removes_all_versions_of_one_object(any_store: ObjectStore) -> None:
    for key in (KEY, KEY, KEY + "s", KEY + "-2"):
        any_store.put(key, [b"1"])
    any_store.delete(KEY)
    any_store.delete(KEY)
    assert sorted(left(any_store)) == [KEY + "-2", KEY + "s"]


def test_delete_prefix_removes_every_version_and_no_neighbor(any_store: ObjectStore) -> None:
    for name in ("raw", "raw", "parts/00000.parquet", "parts/00001.parquet"):
        any_store.put(PREFIX + name, [b"1"])
    neighbors = ["tenants/acme/datasets/u10/raw", "tenants/acme0/datasets/u1/raw"]
    for key in neighbors:
        any_store.put(key, [b"2"])
    versions = len([key for key in left(any_store) if key.startswith(PREFIX)])
    assert any_store.delete_prefix(PREFIX) == versions
    # A versioned bucket keeps the first ``raw``.
    assert versions in (3, 4)
    assert sorted(left(any_store)) == sorted(keys(any_store)) == neighbors
    assert any_store.delete_prefix(TENANT) == 1
    assert left(any_store) == neighbors[1:]


@pytest.mark.parametrize("any_store_url", ["s3-versioned"], indirect=True)
def test_listing_and_deletion_span_several_pages(any_store: ObjectStore) -> None:
    names = [f"{PREFIX}parts/{number:05d}" for number in range(1003)]
    done = iter(names)
    lock = threading.Lock()

    def work(_: int) -> None:
        while True:
            with lock:
                name = next(done, None)
            if name is None:
                return
            any_store.put(name, [b"x"])

    assert in_threads(8, work) == []
    assert keys(any_store, PREFIX) == names
    assert any_store.delete_prefix(PREFIX) == 1003
    assert left(any_store) == []


def test_invalid_prefixes_and_keys_are_rejected(any_store: ObjectStore) -> None:
    for prefix in ("tenants/acme", "/", "../", "tenants/../", "tenants//"):
        for look in (any_store.list, any_store.list_versions, any_store.list_incomplete):
            with pytest.raises(ValueError):
                list(look(prefix))
        for erase in (any_store.delete_prefix, any_store.purge_incomplete):
            for bad in (prefix, ""):
                with pytest.raises(ValueError):
                    erase(bad)
    bad_keys = [
        "",
        "/abs",
        "a//b",
        "../x",
        "a/../b",
        ".incomplete/x",
        "A",
        "a b",
        "a\n",
        "tenants/",
    ]
    for key in bad_keys:
        for use in (
            lambda key: any_store.put(key, [b"x"]),
            any_store.open_range,
            any_store.stat,
            any_store.delete,
        ):
            with pytest.raises(ValueError):
                use(key)
    assert left(any_store) == []


def test_purged_put_cannot_commit(any_store: ObjectStore) -> None:
    with any_store.open_put(KEY) as upload:
        upload.write(b"x")
        assert any_store.purge_incomplete("tenants/acme/datasets/u2/") == 0
        assert any_store.purge_incomplete(PREFIX) == 1
        with pytest.raises(StoreUnavailable, match="erased before its commit"):
            upload.commit()
    assert left(any_store) == []


CRASHING = """
import os, sys
from simulacra_custody.wiring import open_store
with open_store(os.environ, "STORE").open_put(sys.argv[1]) as upload:
    upload.write(b"x" * (17 << 20))
    print("half", flush=True)
    sys.stdin.read()
"""


def test_put_of_a_killed_writer_is_listed_and_purged(
    any_store: ObjectStore, any_store_url: str
) -> None:
    any_store.put(KEY, [b"before"])
    child = subprocess.Popen(
        [sys.executable, "-c", CRASHING, KEY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "STORE": any_store_url},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"half\n"
    child.kill()
    child.communicate()
    assert content(any_store, KEY) == b"before"
    ((key, size),) = [(info.key, info.size) for info in any_store.list_incomplete(PREFIX)]
    assert key == KEY
    assert size >= 16 << 20
    assert any_store.purge_incomplete("tenants/acme/datasets/u2/") == 0
    assert any_store.purge_incomplete(PREFIX) == 1
    assert list(any_store.list_incomplete("")) == []
    assert content(any_store, KEY) == b"before"


def test_two_writers_of_one_key_leave_one_whole_object(any_store: ObjectStore) -> None:
    chunks = [bytes([number]) * 50_000 for number in range(2)]
    for _ in range(5):
        assert in_threads(2, lambda number: any_store.put(KEY, [chunks[number]] * 4)) == []
        assert content(any_store, KEY) in {chunk * 4 for chunk in chunks}
    assert list(any_store.list_incomplete("")) == []

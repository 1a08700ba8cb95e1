import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from simulacra_custody.errors import ArtefactMissing, ObjectExists, StoreUnavailable
from simulacra_custody.local_store import LocalStore

KEY = "tenants/acme/datasets/u1/raw"
PREFIX = "tenants/acme/datasets/u1/"


def content(store: LocalStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(store.open_range(key, start, end))


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_put_stat_list_and_read_back(store: LocalStore) -> None:
    info = store.put(KEY, [b"abc", b"", b"def"])
    assert (info.key, info.size) == (KEY, 6)
    assert store.stat(KEY) == info
    assert list(store.list("")) == list(store.list("tenants/")) == list(store.list(PREFIX)) == [info]
    assert content(store, KEY) == b"abcdef"


@pytest.mark.parametrize(
    ("start", "end", "expected"), [(0, 2, b"ab"), (2, None, b"cdef"), (1, 1, b""), (4, 99, b"ef"), (9, None, b"")]
)
def test_range(store: LocalStore, start: int, end: int | None, expected: bytes) -> None:
    store.put(KEY, [b"abcdef"])
    assert content(store, KEY, start, end) == expected


def test_put_replaces_whole(store: LocalStore) -> None:
    store.put(KEY, [b"a longer first version"])
    reading = store.open_range(KEY)
    store.put(KEY, [b"short"])
    assert b"".join(reading) == b"a longer first version"
    assert content(store, KEY) == b"short"


def test_missing_object(store: LocalStore) -> None:
    assert store.stat(KEY) is None
    with pytest.raises(ArtefactMissing, match=KEY):
        store.open_range(KEY)
    store.delete(KEY)
    assert store.delete_prefix(PREFIX) == 0


def test_conditional_put_keeps_the_first(store: LocalStore) -> None:
    store.put(KEY, [b"first"], if_absent=True)
    with pytest.raises(ObjectExists):
        store.put(KEY, [b"second"], if_absent=True)
    assert content(store, KEY) == b"first"
    assert list(store.list_incomplete("")) == []


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = LocalStore(tmp_path / "fresh")
        store.put(KEY, [b"x"])
        with store.open_put(KEY) as upload:
            upload.write(b"y")
            for path in [store.root, *store.root.rglob("*")]:
                assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    finally:
        os.umask(old)


def test_nothing_is_listed_before_commit_and_abort_leaves_nothing(store: LocalStore) -> None:
    with store.open_put(KEY) as upload:
        upload.write(b"half")
        assert list(store.list("")) == []
        assert [info.key for info in store.list_incomplete(PREFIX)] == [KEY]
    assert names(store.root) == []


def test_a_failing_source_stores_nothing_and_keeps_its_own_error(store: LocalStore) -> None:
    def source() -> object:
        yield b"part"
        raise ConnectionResetError("the client went away")

    store.put(KEY, [b"before"])
    with pytest.raises(ConnectionResetError):
        store.put(KEY, source())  # type: ignore[arg-type]
    assert content(store, KEY) == b"before"
    assert list(store.list_incomplete("")) == []


def test_delete_removes_emptied_folders_only(store: LocalStore) -> None:
    store.put(KEY, [b"1"])
    store.put("tenants/acme/datasets/u2/raw", [b"2"])
    store.delete(KEY)
    assert [info.key for info in store.list("")] == ["tenants/acme/datasets/u2/raw"]
    assert "tenants/acme/datasets/u1" not in names(store.root)
    store.delete("tenants/acme/datasets/u2/raw")
    assert names(store.root) == []


def test_delete_prefix_takes_no_neighbour(store: LocalStore) -> None:
    store.put(PREFIX + "raw", [b"1"])
    store.put(PREFIX + "parts/00000.parquet", [b"1"])
    store.put("tenants/acme/datasets/u10/raw", [b"2"])
    assert store.delete_prefix(PREFIX) == 2
    assert [info.key for info in store.list("")] == ["tenants/acme/datasets/u10/raw"]


@pytest.mark.parametrize("prefix", ["tenants/acme", "/", "../", "tenants/../", "tenants//"])
def test_unlawful_prefix_is_refused(store: LocalStore, prefix: str) -> None:
    for method in (store.list, store.delete_prefix, store.purge_incomplete):
        with pytest.raises(ValueError):
            list(method(prefix))  # type: ignore[call-overload]


def test_everything_at_once_cannot_be_deleted(store: LocalStore) -> None:
    store.put(KEY, [b"1"])
    for method in (store.delete_prefix, store.purge_incomplete):
        with pytest.raises(ValueError, match="prefix"):
            method("")
    assert store.stat(KEY) is not None


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../b", ".incomplete/a", "a//b", "A"])
def test_unlawful_key_is_refused(store: LocalStore, key: str) -> None:
    with pytest.raises(ValueError):
        store.put(key, [b"x"])
    with pytest.raises(ValueError):
        store.open_range(key)
    assert names(store.root) == []


def test_a_symbolic_link_is_not_followed(store: LocalStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    store.put(PREFIX + "other", [b"x"])
    (store.root / KEY).symlink_to(secret)
    with pytest.raises(StoreUnavailable):
        store.open_range(KEY)
    store.delete(KEY)
    assert secret.read_bytes() == b"secret"


def test_object_under_an_object_is_the_stores_refusal(store: LocalStore) -> None:
    store.put(KEY, [b"x"])
    for if_absent in (False, True):
        with pytest.raises(StoreUnavailable):
            store.put(KEY + "/part", [b"y"], if_absent=if_absent)
    with pytest.raises(StoreUnavailable):
        store.put("tenants/acme", [b"y"])
    assert [info.key for info in store.list("")] == [KEY]


def test_purged_put_cannot_commit(store: LocalStore) -> None:
    with store.open_put(KEY) as upload:
        upload.write(b"x")
        assert store.purge_incomplete(PREFIX) == 1
        with pytest.raises(StoreUnavailable, match="erased before its commit"):
            upload.commit()
    assert names(store.root) == []


CRASHING = """
import sys
from pathlib import Path
from simulacra_custody.local_store import LocalStore
with LocalStore(Path(sys.argv[1])).open_put(sys.argv[2]) as upload:
    upload.write(b"x" * 3_000_000)
    print("half", flush=True)
    sys.stdin.read()
"""


def test_kill_in_the_middle_of_a_put(store: LocalStore) -> None:
    store.put(KEY, [b"before"])
    child = subprocess.Popen(
        [sys.executable, "-c", CRASHING, str(store.root), KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"half\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert content(store, KEY) == b"before"
    assert [info.key for info in store.list("")] == [KEY]
    assert [(info.key, info.size) for info in store.list_incomplete(PREFIX)] == [(KEY, 3_000_000)]
    assert store.purge_incomplete("tenants/acme/datasets/u2/") == 0
    assert store.purge_incomplete(PREFIX) == 1
    assert list(store.list_incomplete("")) == []
    assert content(store, KEY) == b"before"


FULL = """
import resource, sys
from pathlib import Path
from simulacra_custody.local_store import LocalStore
from simulacra_custody.errors import StoreUnavailable
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    LocalStore(Path(sys.argv[1])).put(sys.argv[2], [b"x" * 60_000] * 3)
except StoreUnavailable as error:
    print(error)
"""


def test_full_disk_is_the_stores_error_and_leaves_nothing(store: LocalStore) -> None:
    child = subprocess.run(
        [sys.executable, "-c", FULL, str(store.root), KEY], capture_output=True, text=True, check=True, timeout=60
    )
    assert child.stdout == "the local store could not write: File too large\n"
    assert names(store.root) == []


def in_threads(count: int, work: object) -> list[BaseException]:
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_two_writers_of_one_key_leave_one_whole_object(store: LocalStore) -> None:
    chunks = [bytes([number]) * 50_000 for number in range(2)]
    for _ in range(20):
        assert in_threads(2, lambda number: store.put(KEY, [chunks[number]] * 4)) == []
        assert content(store, KEY) in {chunk * 4 for chunk in chunks}
    assert list(store.list_incomplete("")) == []


def test_one_of_many_conditional_writers_wins(store: LocalStore) -> None:
    errors = in_threads(8, lambda number: store.put(KEY, [bytes([number]) * 1000], if_absent=True))
    assert [type(error) for error in errors] == [ObjectExists] * 7
    assert len(set(content(store, KEY))) == 1


def test_puts_survive_deletes_that_take_their_folders(store: LocalStore) -> None:
    def work(number: int) -> None:
        key = f"{PREFIX}part{number}"
        for _ in range(100):
            store.put(key, [b"x"])
            store.delete(key)

    assert in_threads(4, work) == []
    assert names(store.root) == []

"""The store in a directory: access, folders, links and a full disk."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from in_threads import in_threads
from simulacra_custody.errors import StoreUnavailable
from simulacra_custody.stores.local import LocalStore

KEY = "tenants/acme/datasets/u1/raw"
PREFIX = "tenants/acme/datasets/u1/"


def content(store: LocalStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(store.open_range(key, start, end))


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_put_does_not_change_an_open_read(store: LocalStore) -> None:
    store.put(KEY, [b"a longer first version"])
    reading = store.open_range(KEY)
    store.put(KEY, [b"short"])
    assert b"".join(reading) == b"a longer first version"
    assert content(store, KEY) == b"short"


@pytest.mark.parametrize("if_absent", [False, True])
def test_a_put_is_durable_when_it_returns(
    store: LocalStore, if_absent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power failure could leave a name without its bytes, or lose the name."""
    steps: list[str] = []

    def noting(name: str, action: Callable[..., None]) -> Callable[..., None]:
        def noted(*given: Any) -> None:
            is_folder = name == "fsync" and stat.S_ISDIR(os.fstat(given[0]).st_mode)
            steps.append("folder" if is_folder else name)
            action(*given)

        return noted

    for name in ("fsync", "replace", "link"):
        monkeypatch.setattr(os, name, noting(name, getattr(os, name)))
    store.put(KEY, [b"x"], if_absent=if_absent)
    folders = KEY.count("/") + 1
    assert steps == ["fsync", "link" if if_absent else "replace", *["folder"] * folders]


def test_only_the_owner_has_access(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = LocalStore(tmp_path / "fresh")
        store.put(KEY, [b"x"])
        with store.open_put(KEY) as upload:
            upload.write(b"y")
            for path in [store.root, *store.root.rglob("*")]:
                expected = 0o700 if path.is_dir() else 0o600
                assert stat.S_IMODE(path.stat().st_mode) == expected, path
    finally:
        os.umask(old)


def test_delete_removes_emptied_folders_only(store: LocalStore) -> None:
    store.put(KEY, [b"1"])
    store.put("tenants/acme/datasets/u2/raw", [b"2"])
    store.delete(KEY)
    assert [info.key for info in store.list("")] == ["tenants/acme/datasets/u2/raw"]
    assert "tenants/acme/datasets/u1" not in names(store.root)
    store.delete("tenants/acme/datasets/u2/raw")
    assert names(store.root) == []


def test_symbolic_link_is_not_followed(store: LocalStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    store.put(PREFIX + "other", [b"x"])
    (store.root / KEY).symlink_to(secret)
    with pytest.raises(StoreUnavailable):
        store.open_range(KEY)
    store.delete(KEY)
    assert secret.read_bytes() == b"secret"


def test_object_under_an_object_is_refused(store: LocalStore) -> None:
    store.put(KEY, [b"x"])
    for if_absent in (False, True):
        with pytest.raises(StoreUnavailable):
            store.put(KEY + "/part", [b"y"], if_absent=if_absent)
    with pytest.raises(StoreUnavailable):
        store.put("tenants/acme", [b"y"])
    assert [info.key for info in store.list("")] == [KEY]


FULL = """
import resource, sys
from pathlib import Path
from simulacra_custody.stores.local import LocalStore
from simulacra_custody.errors import StoreUnavailable
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    LocalStore(Path(sys.argv[1])).put(sys.argv[2], [b"x" * 60_000] * 3)
except StoreUnavailable as error:
    print(error)
"""


def test_full_disk_is_reported_and_leaves_no_file(store: LocalStore) -> None:
    child = subprocess.run(
        [sys.executable, "-c", FULL, str(store.root), KEY],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert child.stdout == "the local store could not write: File too large\n"
    assert names(store.root) == []


def test_puts_survive_concurrent_deletes_of_their_folders(store: LocalStore) -> None:
    def work(number: int) -> None:
        key = f"{PREFIX}part{number}"
        for _ in range(100):
            store.put(key, [b"x"])
            store.delete(key)

    assert in_threads(4, work) == []
    assert names(store.root) == []


def test_store_without_its_directory_is_unavailable_not_empty(store: LocalStore) -> None:
    store.put("tenants/acme/a", [b"content"])
    away = store.root.with_suffix(".away")
    store.root.rename(away)
    for found in (store.list, store.list_versions, store.list_incomplete):
        with pytest.raises(StoreUnavailable, match="is its volume mounted"):
            list(found("tenants/"))
    away.rename(store.root)
    assert [one.key for one in store.list("tenants/")] == ["tenants/acme/a"]

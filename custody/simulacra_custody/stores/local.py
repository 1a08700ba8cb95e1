"""An object store in a local directory.

A put writes to ``.incomplete/<key>/<random>`` (no key begins with a dot), flushes to disk, then
renames the file or, for a conditional put, links it to its place. A reader sees the whole object or
none, whenever a process is killed. Folders have mode 0700 and files 0600. Folders are made on
demand and removed when empty; a put whose folder a concurrent delete removes makes it again.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import TypeVar

from simulacra_custody.errors import ArtifactMissing, ObjectExists, StoreUnavailable
from simulacra_custody.stores.base import ObjectInfo, check_key, check_prefix

_INCOMPLETE = ".incomplete"
_READ_SIZE = 1 << 18
T = TypeVar("T")
# Each retry needs a concurrent delete in the same folder.
_FOLDER_RETRIES = 100


@contextlib.contextmanager
def _store_errors(action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreUnavailable(f"the local store could not {action}: {reason}") from error


class LocalUpload:
    """An unfinished put: an open file in ``.incomplete``."""

    def __init__(
        self, store: "LocalStore", key: str, file: FileIO, temporary: Path, if_absent: bool
    ) -> None:
        self._store = store
        self._key = key
        self._file = file
        self._temporary = temporary
        self._if_absent = if_absent

    def write(self, data: bytes) -> None:
        """Append bytes to the temporary file."""
        rest = memoryview(data)
        with _store_errors("write"):
            while rest:
                rest = rest[self._file.write(rest) :]

    def commit(self) -> ObjectInfo:
        """Flush to disk and move into place."""
        with _store_errors("commit"):
            os.fsync(self._file.fileno())
            status = os.fstat(self._file.fileno())
            self._file.close()
            self._store.publish(self._temporary, self._key, if_absent=self._if_absent)
        return ObjectInfo(self._key, status.st_size, status.st_mtime)


class LocalStore:
    """`ObjectStore` in the directory ``root`` (made if missing, mode 0700)."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()
        with _store_errors("open its directory"):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextlib.contextmanager
    def open_put(self, key: str, *, if_absent: bool = False) -> Iterator[LocalUpload]:
        """Begin a put; see `ObjectStore.open_put`."""
        check_key(key)
        temporary = self.root / _INCOMPLETE / key / secrets.token_hex(8)
        with _store_errors("begin a put"):
            descriptor = self._in_folder(temporary.parent, lambda: _create(temporary))
        try:
            # Unbuffered, so that closing an aborted put cannot fail.
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                yield LocalUpload(self, key, file, temporary, if_absent)
        finally:
            with _store_errors("abort a put"):
                self._remove(temporary)

    def put(self, key: str, chunks: Iterable[bytes], *, if_absent: bool = False) -> ObjectInfo:
        """Store the chunks as one object, all or nothing."""
        with self.open_put(key, if_absent=if_absent) as upload:
            for chunk in chunks:
                upload.write(chunk)
            return upload.commit()

    def publish(self, temporary: Path, key: str, *, if_absent: bool) -> None:
        """Move a finished temporary file to its key, durably (for `LocalUpload.commit`)."""
        target = self.root / key
        move = _link if if_absent else os.replace
        self._in_folder(target.parent, lambda: move(temporary, target), needs=temporary)
        # A new folder is durable only once its parent is.
        for folder in target.parents:
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                sync_folder(folder)
            if folder == self.root:
                break

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield a range in chunks of at most 256 KiB. Raises `ArtifactMissing` at the call."""
        check_key(key)
        try:
            with _store_errors("open an object"):
                descriptor = os.open(self.root / key, os.O_RDONLY | os.O_NOFOLLOW)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise ArtifactMissing(f"nothing is stored under {key}") from None
            raise
        return _read_range(os.fdopen(descriptor, "rb", buffering=0), start, end)

    def stat(self, key: str) -> ObjectInfo | None:
        """Return an object's size and time, None if there is none."""
        check_key(key)
        with _store_errors("stat an object"):
            try:
                status = os.lstat(self.root / key)
            except FileNotFoundError:
                self._check_root()
                return None
        return ObjectInfo(key, status.st_size, status.st_mtime)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield every object under the prefix, sorted folder by folder."""
        check_prefix(prefix)
        self._check_root()
        return _walk(self.root / prefix, prefix)

    def list_versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield what `list` yields: a directory keeps one version."""
        return self.list(prefix)

    def list_incomplete(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield unfinished puts under the prefix, also those of writers that died."""
        check_prefix(prefix)
        self._check_root()
        for info in _walk(self.root / _INCOMPLETE / prefix, prefix):
            yield ObjectInfo(info.key.rpartition("/")[0], info.size, info.modified)

    def delete(self, key: str) -> None:
        """Delete an object and the folders that it leaves empty."""
        check_key(key)
        with _store_errors("delete an object"):
            self._remove(self.root / key)

    def delete_prefix(self, prefix: str) -> int:
        """Delete every object under the non-empty prefix; return their number."""
        check_prefix(prefix, allow_empty=False)
        return self._remove_tree(self.root / prefix)

    def purge_incomplete(self, prefix: str) -> int:
        """Erase every unfinished put under the non-empty prefix; its writer's commit fails."""
        check_prefix(prefix, allow_empty=False)
        return self._remove_tree(self.root / _INCOMPLETE / prefix)

    def _check_root(self) -> None:
        """Raise StoreUnavailable without a directory: else erasure would find the store empty."""
        if not self.root.is_dir():
            raise StoreUnavailable("the local store has no directory: is its volume mounted?")

    def _remove_tree(self, folder: Path) -> int:
        """Delete all files and folders that can be listed, see `list`; return the files' number."""
        count = 0
        with _store_errors("delete an object"):
            for base, _, names in os.walk(folder, topdown=False):
                count += sum(_unlink(Path(base, name)) for name in names)
                self._prune(Path(base))
        return count

    def _remove(self, path: Path) -> None:
        _unlink(path)
        self._prune(path.parent)

    def _prune(self, folder: Path) -> None:
        """Remove the folder and its parents below the root, as long as they are empty."""
        for path in (folder, *folder.parents):
            if path == self.root:
                break
            try:
                path.rmdir()
            except FileNotFoundError:
                continue
            except OSError:  # not empty
                break

    def _in_folder(self, folder: Path, action: Callable[[], T], needs: Path | None = None) -> T:
        """Run an action that needs a folder; make it again if a concurrent delete removes it."""
        for _ in range(_FOLDER_RETRIES):
            try:
                _make_folders(folder, self.root)
                return action()
            except FileNotFoundError:
                if needs is not None and not needs.exists():
                    self._prune(folder)
                    raise StoreUnavailable(
                        "the put was erased before its commit; write the artifact again"
                    ) from None
        raise StoreUnavailable(
            f"concurrent deletes removed a folder {_FOLDER_RETRIES} times; write again"
        )


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(path: Path) -> bool:
    """Delete a file; return False if there was none."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _link(temporary: Path, target: Path) -> None:
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise ObjectExists(f"{target.name} is already stored") from None


def _make_folders(folder: Path, root: Path) -> None:
    """Make the folders below the root, all with mode 0700, unlike ``mkdir(parents=True)``."""
    for path in reversed([folder, *folder.parents]):
        if path.is_relative_to(root):
            # If it is a file, the next step fails with the reason.
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)


def _read_range(file: FileIO, start: int, end: int | None) -> Iterator[bytes]:
    with file, _store_errors("read an object"):
        file.seek(start)
        left = end - start if end is not None else None
        while left is None or left > 0:
            chunk = file.read(_READ_SIZE if left is None else min(left, _READ_SIZE))
            if not chunk:
                return
            left = left - len(chunk) if left is not None else None
            yield chunk


def _walk(folder: Path, prefix: str) -> Iterator[ObjectInfo]:
    """Yield files depth-first and sorted, with one folder's names in memory; skip deleted ones."""
    with _store_errors("list a folder"):
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
    for entry in entries:
        if entry.name == _INCOMPLETE:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name, f"{prefix}{entry.name}/")
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield ObjectInfo(prefix + entry.name, status.st_size, status.st_mtime)

"""An object store in a local directory.

A put writes to ``.incomplete/<key>/<random>`` (no key can begin with a dot), flushes to disk, then renames or, for a
conditional put, links the file to its place: a reader sees a whole object or none, whatever is killed when. Folders
are 0700 and files 0600. Folders are made on demand and removed when empty, so a put that loses its folder to a
concurrent delete makes it again.
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
_FOLDER_RETRIES = 100  # each one needs a concurrent delete in the same folder


@contextlib.contextmanager
def _store_errors(action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"the local store could not {action}: {error.strerror or type(error).__name__}"
        ) from error


class LocalUpload:
    """A put under way: an open file in ``.incomplete``."""

    def __init__(
        self, store: "LocalStore", key: str, file: FileIO, temporary: Path, if_absent: bool
    ) -> None:
        self._store, self._key, self._file = store, key, file
        self._temporary, self._if_absent = temporary, if_absent

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
        """Start a put; see `ObjectStore.open_put`."""
        check_key(key)
        temporary = self.root / _INCOMPLETE / key / secrets.token_hex(8)
        with _store_errors("begin a put"):
            descriptor = self._in_folder(temporary.parent, lambda: _create(temporary))
        try:
            with os.fdopen(
                descriptor, "wb", buffering=0
            ) as file:  # unbuffered: an abort's close cannot fail
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
        """Give a finished temporary file its key, durably (called by `LocalUpload.commit`)."""
        target = self.root / key
        move = _link if if_absent else os.replace
        self._in_folder(target.parent, lambda: move(temporary, target), needs=temporary)
        for folder in target.parents:  # a folder made on the way is durable only once its parent is
            with contextlib.suppress(FileNotFoundError):  # deleted again already
                sync_folder(folder)
            if folder == self.root:
                break

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Read a range in chunks of up to 256 KiB; `ArtifactMissing` is raised at the call, not at the first chunk."""
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
        """Size and time of an object, None if there is none."""
        check_key(key)
        with _store_errors("stat an object"):
            try:
                status = os.lstat(self.root / key)
            except FileNotFoundError:
                return None
        return ObjectInfo(key, status.st_size, status.st_mtime)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object under the prefix, sorted folder by folder."""
        check_prefix(prefix)
        return _walk(self.root / prefix, prefix)

    def list_versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """What `list` gives: a directory keeps one version."""
        return self.list(prefix)

    def list_incomplete(self, prefix: str) -> Iterator[ObjectInfo]:
        """Puts under the prefix that are under way or were left by a writer that died."""
        check_prefix(prefix)
        for info in _walk(self.root / _INCOMPLETE / prefix, prefix):
            yield ObjectInfo(info.key.rpartition("/")[0], info.size, info.modified)

    def delete(self, key: str) -> None:
        """Delete an object and the folders that it leaves empty."""
        check_key(key)
        with _store_errors("delete an object"):
            self._remove(self.root / key)

    def delete_prefix(self, prefix: str) -> int:
        """Delete every object under the prefix, which must not be empty; how many."""
        check_prefix(prefix, allow_empty=False)
        return self._remove_tree(self.root / prefix)

    def purge_incomplete(self, prefix: str) -> int:
        """Erase every unfinished put under the prefix; how many. A writer still at work fails at its commit."""
        check_prefix(prefix, allow_empty=False)
        return self._remove_tree(self.root / _INCOMPLETE / prefix)

    def _remove_tree(self, folder: Path) -> int:
        """Unlink every file and folder under ``folder``; how many files. What cannot be listed is left, see `list`."""
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
        """Remove the folder and its parents up to the root as long as they are empty."""
        for path in (folder, *folder.parents):
            if path == self.root:
                break
            try:
                path.rmdir()
            except FileNotFoundError:
                continue
            except OSError:  # not empty: another object lives here
                break

    def _in_folder(self, folder: Path, action: Callable[[], T], needs: Path | None = None) -> T:
        """Run an action that needs a folder, making it again when a concurrent delete removes it in between."""
        for _ in range(_FOLDER_RETRIES):
            try:
                _make_folders(folder, self.root)
                return action()
            except FileNotFoundError:
                if needs is not None and not needs.exists():
                    self._prune(folder)
                    raise StoreUnavailable(
                        "the put was erased before its commit; write the artefact again"
                    ) from None
        raise StoreUnavailable(
            "the local store could not keep a folder in place against concurrent deletes"
        )


def _unlink(path: Path) -> bool:
    """False if the file was gone already."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def sync_folder(folder: Path) -> None:
    """Make what was put into, or taken out of, a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(temporary: Path, target: Path) -> None:
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise ObjectExists(f"{target.name} is stored already") from None


def _make_folders(folder: Path, root: Path) -> None:
    """Make the folders below the root with mode 0700 (``mkdir(parents=True)`` would give parents the umask's mode)."""
    for path in reversed([folder, *folder.parents]):
        if path.is_relative_to(root):
            with contextlib.suppress(FileExistsError):  # if it is a file, the next step says so
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
    """Depth-first, sorted, one folder's names in memory at a time; what vanishes meanwhile is left out."""
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

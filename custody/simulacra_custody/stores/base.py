"""Object store protocol: what a backend (a directory, S3) offers to custody and the audit log.

Keys are parts as in `refs.PART`, separated by ``/``. A prefix is empty or ends in ``/``, so that
``uid1`` never addresses ``uid10``. Backends raise `StoreUnavailable` if the store fails.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from simulacra_custody.refs import check_part

INSTALLATION = "installation"
"""First part of the keys of no tenant, such as the owner's mark."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """A stored object: key, size in bytes and time of its last write (seconds since the epoch)."""

    key: str
    size: int
    modified: float


class Upload(Protocol):
    """An unfinished put: no reader sees it before `commit`."""

    def write(self, data: bytes) -> None:
        """Append bytes."""

    def commit(self) -> ObjectInfo:
        """Make the object visible and durable. Raises `ObjectExists` if it was conditional."""


class ObjectStore(Protocol):
    """A backend for objects."""

    def open_put(self, key: str, *, if_absent: bool = False) -> AbstractContextManager[Upload]:
        """Begin a put; without `Upload.commit` nothing is stored."""

    def put(self, key: str, chunks: Iterable[bytes], *, if_absent: bool = False) -> ObjectInfo:
        """Store the chunks as one object, all or nothing."""

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield bytes ``start`` to ``end`` (exclusive). Raises `ArtifactMissing` at the call."""

    def stat(self, key: str) -> ObjectInfo | None:
        """Return an object's size and time, None if there is none."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield every object under the prefix, sorted; a name and its extension in any order."""

    def list_versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield every object, old version and delete marker (size 0) under the prefix."""

    def list_incomplete(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield every unfinished put under the prefix."""

    def delete(self, key: str) -> None:
        """Delete all versions of one object, if there is any."""

    def delete_prefix(self, prefix: str) -> int:
        """Delete all versions under the non-empty prefix; return their number."""

    def purge_incomplete(self, prefix: str) -> int:
        """Erase every unfinished put under the non-empty prefix; return their number."""


@runtime_checkable
class Presigning(Protocol):
    """A store that can give out links to its objects."""

    def presign(self, key: str, expires_s: int = ...) -> str:
        """Return a URL that lets its holder read the stored bytes for ``expires_s`` seconds."""


def read_object(store: ObjectStore, key: str) -> bytes:
    """Return a small object. Raises `ArtifactMissing`."""
    return b"".join(store.open_range(key))


def last_present(store: ObjectStore, key: Callable[[int], str]) -> int:
    """Return the largest n for which ``key(1)`` to ``key(n)`` are stored, in O(log n) requests."""
    high = 1
    while store.stat(key(high)) is not None:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if store.stat(key(middle)) is not None else (low, middle)
    return low


def check_key(key: str) -> None:
    """Reject a key with an invalid part (ValueError)."""
    for part in key.split("/"):
        check_part(part, "each part of an object key")


def check_prefix(prefix: str, *, allow_empty: bool = True) -> None:
    """Reject a prefix that is neither a key and ``/`` nor, where allowed, empty (ValueError)."""
    if not (prefix.endswith("/") or (allow_empty and not prefix)):
        raise ValueError("a prefix must be a key and '/'; only listings accept an empty one")
    if prefix:
        check_key(prefix[:-1])

"""The object store: the few verbs that every backend (a local directory, S3) offers to custody and to the audit log.

Keys are ``/``-separated parts as in `context.PART`; a prefix is empty or ends in ``/``, so that ``uid1`` never
addresses ``uid10``. Backends raise `StoreUnavailable` for anything that is the store's fault.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from simulacra_custody.refs import check_part

INSTALLATION = "installation"
"""The first part of keys that are no tenant's: whose the store is, and what tries it out."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """A stored object: its key, its size in bytes and when it was last written (seconds since the epoch)."""

    key: str
    size: int
    modified: float


class Upload(Protocol):
    """A put under way; nothing is visible before `commit`."""

    def write(self, data: bytes) -> None:
        """Append bytes."""

    def commit(self) -> ObjectInfo:
        """Make the object visible, whole and durable. Raises `ObjectExists` for a conditional put that lost."""


class ObjectStore(Protocol):
    """What custody asks of a backend."""

    def open_put(self, key: str, *, if_absent: bool = False) -> AbstractContextManager[Upload]:
        """Start a put; leaving the context without `Upload.commit` stores nothing."""

    def put(self, key: str, chunks: Iterable[bytes], *, if_absent: bool = False) -> ObjectInfo:
        """Store the chunks as one object, all or nothing."""

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Bytes ``start`` to ``end`` (exclusive, None: to the end). Raises `ArtifactMissing` at once."""

    def stat(self, key: str) -> ObjectInfo | None:
        """The object's size and time, None if there is none."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object under the prefix, sorted; of two names one of which begins with the other, any may be first."""

    def list_versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """Everything that is kept under the prefix: versions no longer current and delete markers (size 0) as well."""

    def list_incomplete(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every put under the prefix that was begun and neither committed nor aborted."""

    def delete(self, key: str) -> None:
        """Delete one object in all its versions; deleting nothing is no error."""

    def delete_prefix(self, prefix: str) -> int:
        """Delete every object under the prefix, which must not be empty, in all its versions; how many versions."""

    def purge_incomplete(self, prefix: str) -> int:
        """Erase what `list_incomplete` lists under the prefix, which must not be empty; how many."""


@runtime_checkable
class Presigning(Protocol):
    """A store that can give out links to what it holds."""

    def presign(self, key: str, expires_s: int = ...) -> str:
        """A URL that gives the stored bytes to whoever holds it, for ``expires_s`` seconds (by default 15 minutes)."""


def check_key(key: str) -> None:
    """Refuse a key that is not made of lawful parts (ValueError)."""
    for part in key.split("/"):
        check_part(part, "each part of an object key")


def check_prefix(prefix: str, *, allow_empty: bool = True) -> None:
    """Refuse a prefix that is neither a key followed by ``/`` nor, where allowed, empty (ValueError)."""
    if not (prefix.endswith("/") or (allow_empty and not prefix)):
        raise ValueError(
            "an object prefix must be a key followed by '/'; everything at once is only ever listed"
        )
    if prefix:
        check_key(prefix[:-1])


def last_present(store: ObjectStore, key: Callable[[int], str]) -> int:
    """The largest n of which the objects ``key(1..n)`` are stored, 0 if none, in O(log n) questions."""
    high = 1
    while store.stat(key(high)) is not None:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if store.stat(key(middle)) is not None else (low, middle)
    return low

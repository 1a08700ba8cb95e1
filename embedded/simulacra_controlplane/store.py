"""Objects in one SQLite file, and the window of recent changes that watches read.

Every write is one transaction in WAL mode and is acknowledged after its commit, so a killed process
loses nothing that it acknowledged. (`synchronous=NORMAL`: after a power cut the last moments may be
missing, never torn.) The change window lives in memory: after a restart a watch resumes only from
the newest revision, and older ones are answered 410, on which every client lists again.

A list is read as far as it is asked for: a page costs what a page holds, at a moment of the past as
well (the changes since are undone on the way), and a list by a label's value costs what has that
label.

What must not outlive its object (a wrapped data key, a Secret, an erased question) leaves the disk
with it: freed pages are overwritten (`secure_delete`) and the write-ahead log, which still holds
the old page, is overwritten and emptied at once.
"""

import heapq
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from operator import itemgetter
from pathlib import Path
from typing import Literal

from pydantic_core import from_json, to_json

from simulacra_controlplane.objects import Object, meta

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (
    owner TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (owner, resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS labels (
    resource TEXT NOT NULL, label TEXT NOT NULL, value TEXT NOT NULL, namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (resource, label, value, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revision (
    one INTEGER PRIMARY KEY CHECK (one = 1), value INTEGER NOT NULL
);
INSERT OR IGNORE INTO revision VALUES (1, 1);
"""
_LAYOUT = 1
"""Layout 0 had no table of labels."""
_BY_NAME = """
SELECT namespace, name, body FROM objects
WHERE resource=:resource AND {scope} ORDER BY namespace, name
"""
_BY_LABEL = """
SELECT namespace, name, body FROM labels JOIN objects USING (resource, namespace, name)
WHERE resource=:resource AND label=:label AND value=:value AND {scope} ORDER BY namespace, name
"""
_EVERYWHERE = "(namespace, name) > (:after_namespace, :after_name)"
_INSIDE = "namespace=:namespace AND name > :after_name"
Place = tuple[str, str]
"""Namespace (empty when cluster-wide) and name."""


@dataclass(frozen=True)
class Key:
    """Key of an object: storage resource (`jobs.batch`), namespace or "", name."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Change:
    """One committed write. `new` is None for a removal; `old` is None for a creation."""

    revision: int
    key: Key
    old: Object | None
    new: Object | None

    @property
    def kind(self) -> Literal["ADDED", "MODIFIED", "DELETED"]:
        """The event type of a watch without selectors."""
        if self.new is None:
            return "DELETED"
        return "ADDED" if self.old is None else "MODIFIED"

    @property
    def last_state(self) -> Object:
        """Return the event's object: for a removal the last state with its revision."""
        if self.new is not None:
            return self.new
        assert self.old is not None
        metadata = {**self.old["metadata"], "resourceVersion": str(self.revision)}
        return {**self.old, "metadata": metadata}


class Store:
    """The durable objects. Not thread-safe: one event loop reads and writes, each call is atomic.

    The path is that of the database file, or ":memory:"; watches may go back `window` changes.
    """

    def __init__(self, path: Path | str, window: int = 10_000) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._log = Path(f"{path}-wal")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.executescript(_SCHEMA)
        self._index_labels()
        self.revision: int = self._db.execute("SELECT value FROM revision").fetchone()[0]
        self.compacted = self.revision
        self.listeners: list[Callable[[Change], None]] = []
        self._window = window
        self._changes: deque[Change] = deque()

    def close(self) -> None:
        """Close the file, whose log is emptied."""
        self._empty_log()
        self._db.close()

    def get(self, key: Key) -> Object | None:
        """One object, or None."""
        row = self._db.execute(
            "SELECT body FROM objects WHERE resource=? AND namespace=? AND name=?",
            (key.resource, key.namespace, key.name),
        ).fetchone()
        return from_json(row[0]) if row else None

    def all(self, resource: str, namespace: str | None = None) -> list[Object]:
        """All objects of a resource, in the order of (namespace, name)."""
        where, arguments = "resource=?", [resource]
        if namespace is not None:
            where, arguments = "resource=? AND namespace=?", [resource, namespace]
        query = f"SELECT body FROM objects WHERE {where} ORDER BY namespace, name"  # noqa: S608 - constant text
        return [from_json(row[0]) for row in self._db.execute(query, arguments)]

    def scan(
        self,
        resource: str,
        namespace: str | None = None,
        *,
        after: Place = ("", ""),
        revision: int | None = None,
        label: tuple[str, str] | None = None,
    ) -> Iterator[Object]:
        """Objects of a resource in the order of (namespace, name), each read when it is asked for.

        Nothing may be written before the last one was taken.

        Args:
            resource: Storage resource.
            namespace: Only what is in it; None: in all of them.
            after: Only what comes after this place.
            revision: The moment to look at; None: now.
            label: Only what has this label with this value now; at a moment of the past others may
                come with it.

        Raises:
            LookupError: The revision is older than the kept window.
        """
        undone = {} if revision is None else self._undone(resource, namespace, revision)
        arguments = {
            "resource": resource,
            "namespace": namespace,
            "after_namespace": after[0],
            "after_name": after[1],
        }
        query = _BY_NAME
        if label is not None:
            query, arguments["label"], arguments["value"] = _BY_LABEL, *label
        if namespace is not None and after[0] != namespace:
            arguments["after_name"] = ""
        scope = _EVERYWHERE if namespace is None else _INSIDE
        rows = self._db.execute(query.format(scope=scope), arguments)
        past = sorted(
            (place, old) for place, old in undone.items() if old is not None and place > after
        )
        return _as_it_was(((row[:2], row[2]) for row in rows), undone, past)

    def count(self, resource: str, namespace: str | None, after: Place) -> int:
        """How many objects of a resource there are now after a place."""
        query = "SELECT COUNT(*) FROM objects WHERE resource=? AND (namespace, name) > (?, ?)"
        if namespace is not None:
            query = "SELECT COUNT(*) FROM objects WHERE resource=? AND namespace=? AND name > ?"
            after = (namespace, after[1])
        found: int = self._db.execute(query, (resource, *after)).fetchone()[0]
        return found

    def _undone(
        self, resource: str, namespace: str | None, revision: int
    ) -> dict[Place, Object | None]:
        """What changed after a revision, as it was then; None where nothing was."""
        undone: dict[Place, Object | None] = {}
        for change in self.since(revision):
            key = change.key
            if key.resource == resource and namespace in (None, key.namespace):
                undone.setdefault((key.namespace, key.name), change.old)
        return undone

    def since(self, revision: int) -> Sequence[Change]:
        """The changes after `revision`, oldest first.

        Raises:
            LookupError: The revision is older than the kept window.
        """
        if revision < self.compacted:
            raise LookupError(f"too old resource version: {revision} ({self.compacted})")
        newer = list(takewhile(lambda change: change.revision > revision, reversed(self._changes)))
        return newer[::-1]

    def put(self, key: Key, obj: Object) -> Object:
        """Create or replace an object; returns it with its new resourceVersion."""
        revision = self.revision + 1
        stored = {**obj, "metadata": {**meta(obj), "resourceVersion": str(revision)}}
        self._commit(Change(revision, key, self.get(key), stored))
        return stored

    def remove(self, key: Key) -> Object | None:
        """Remove an object; returns its last state, or None when it was not there."""
        old = self.get(key)
        if old is None:
            return None
        change = Change(self.revision + 1, key, old, None)
        self._commit(change)
        return change.last_state

    def _commit(self, change: Change) -> None:
        key, old, new = change.key, change.old, change.new
        at = (key.resource, key.namespace, key.name)
        with self._transaction(change.revision):
            if new is None:
                where = "resource=? AND namespace=? AND name=?"
                self._db.execute(f"DELETE FROM objects WHERE {where}", at)  # noqa: S608 - constant text
            else:
                row = (*at, to_json(new))
                self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", row)
            self._write_owners(key, _owners(old), _owners(new))
            self._write_labels(key, _labels(old), _labels(new))
        if _shreds(key, old, new):
            self._empty_log()
        self._publish(change)

    def dependents(self, owner: str) -> list[Key]:
        """Keys of the objects that name this uid in their ownerReferences."""
        query = "SELECT resource, namespace, name FROM owners WHERE owner=?"
        return [Key(*row) for row in self._db.execute(query, (owner,))]

    def owned(self) -> set[str]:
        """Every uid that some object names as its owner."""
        return {row[0] for row in self._db.execute("SELECT DISTINCT owner FROM owners")}

    def keys(self, namespace: str) -> list[Key]:
        """Keys of everything in a namespace."""
        query = "SELECT resource, namespace, name FROM objects WHERE namespace=?"
        return [Key(*row) for row in self._db.execute(query, (namespace,))]

    @contextmanager
    def _transaction(self, revision: int) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("UPDATE revision SET value=?", (revision,))
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def _write_owners(self, key: Key, old: list[str], new: list[str]) -> None:
        if old == new:
            return
        at = (key.resource, key.namespace, key.name)
        where = "owner=? AND resource=? AND namespace=? AND name=?"
        self._db.executemany(f"DELETE FROM owners WHERE {where}", [(uid, *at) for uid in old])  # noqa: S608 - constant text
        self._db.executemany(
            "INSERT OR IGNORE INTO owners VALUES (?, ?, ?, ?)", [(uid, *at) for uid in new]
        )

    def _write_labels(self, key: Key, old: dict[str, str], new: dict[str, str]) -> None:
        if old == new:
            return
        gone, come = (
            [(key.resource, *pair, key.namespace, key.name) for pair in pairs]
            for pairs in (old.items() - new.items(), new.items() - old.items())
        )
        where = "resource=? AND label=? AND value=? AND namespace=? AND name=?"
        self._db.executemany(f"DELETE FROM labels WHERE {where}", gone)  # noqa: S608 - constant text
        self._db.executemany("INSERT OR IGNORE INTO labels VALUES (?, ?, ?, ?, ?)", come)

    def _index_labels(self) -> None:
        """Fill the table of labels of a file that was made without one."""
        if self._db.execute("PRAGMA user_version").fetchone()[0] >= _LAYOUT:
            return
        with self._transaction(self._db.execute("SELECT value FROM revision").fetchone()[0]):
            for *at, body in self._db.execute(
                "SELECT resource, namespace, name, body FROM objects"
            ).fetchall():
                self._write_labels(Key(*at), {}, _labels(from_json(body)))
            self._db.execute(f"PRAGMA user_version={_LAYOUT}")

    def _empty_log(self) -> None:
        """Move the log into the file, then overwrite and truncate it.

        The blocks that a truncated file frees keep their content. After RESTART nobody reads the
        log, unless it says busy: another process reads the database, a backup for instance.
        """
        busy, *_ = self._db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        if not busy and self._log.exists():
            with self._log.open("r+b") as log:
                log.write(bytes(self._log.stat().st_size))
                os.fsync(log.fileno())
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _publish(self, change: Change) -> None:
        self.revision = change.revision
        self._changes.append(change)
        while len(self._changes) > self._window:
            self.compacted = self._changes.popleft().revision
        for listener in self.listeners:
            listener(change)

    def compact(self) -> None:
        """Forget the change window: every watch that resumes from an older revision gets a 410."""
        self._changes.clear()
        self.compacted = self.revision


def _as_it_was(
    rows: Iterator[tuple[Place, bytes]],
    undone: dict[Place, Object | None],
    past: list[tuple[Place, Object]],
) -> Iterator[Object]:
    """Merge current and past rows in order; parse each text only when it is reached."""
    present: Iterator[tuple[Place, bytes | Object]] = (row for row in rows if row[0] not in undone)
    for _, found in heapq.merge(present, past, key=itemgetter(0)):
        obj: Object = from_json(found) if isinstance(found, bytes) else found
        yield obj


def _labels(obj: Object | None) -> dict[str, str]:
    return (obj or {}).get("metadata", {}).get("labels") or {}


def _owners(obj: Object | None) -> list[str]:
    references = (obj or {}).get("metadata", {}).get("ownerReferences") or []
    return [reference["uid"] for reference in references]


def _shreds(key: Key, old: Object | None, new: Object | None) -> bool:
    """Whether a write takes something away that must not be read from the disk any more."""
    if old is None:
        return False
    if key.resource == "secrets":
        return new is None or new.get("data") != old.get("data")
    status = old.get("status", {})
    wrapped = status.get("wrappedKey")
    if new is None:
        # The key of an erased object went before; its question goes now.
        return wrapped is not None or status.get("erasure") is not None
    return wrapped is not None and new.get("status", {}).get("wrappedKey") != wrapped

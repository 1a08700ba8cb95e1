"""Watch: what happened since a revision, then what happens, as a stream of JSON lines."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from simulacra_controlplane import errors
from simulacra_controlplane.objects import Object
from simulacra_controlplane.state import ControlPlane, present
from simulacra_controlplane.store import Change
from simulacra_controlplane.verbs import reads, selectors, table
from simulacra_controlplane.verbs.requests import Target, flag, integer
from simulacra_controlplane.verbs.selectors import Selector

BOOKMARK_SECONDS = 60.0
_LONGEST = 3600  # seconds, when the client does not limit the watch itself
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass
class Watch:
    """One watch and the form of its events."""

    plane: ControlPlane
    target: Target
    selected: Selector
    as_table: bool
    include: str
    bookmarks: bool
    headers_sent: bool = False

    def encode(self, kind: str, obj: Object) -> bytes:
        """One line of the stream."""
        shown = present(self.target.resource, obj)
        if self.as_table:
            shown = self._table([shown], obj["metadata"]["resourceVersion"])
            self.headers_sent = True
        return to_json({"type": kind, "object": shown}) + b"\n"

    def _table(self, objects: list[Object], version: str) -> Object:
        metadata, headers = {"resourceVersion": version}, not self.headers_sent
        return table.render(self.target.resource, objects, metadata, self.include, headers)

    def bookmark(self, revision: int, annotations: dict[str, str] | None = None) -> bytes:
        """A bookmark line: everything up to this revision has been sent."""
        metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        resource = self.target.resource
        obj: Object = {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "metadata": metadata,
        }
        if self.as_table:
            obj = self._table([], str(revision))
        return to_json({"type": "BOOKMARK", "object": obj}) + b"\n"

    def event(self, change: Change) -> bytes | None:
        """The line of a change, seen through the selector: what stops matching is DELETED."""
        if change.key.resource != self.target.resource.storage:
            return None
        if not self.target.all_namespaces and change.key.namespace != self.target.namespace:
            return None
        was = change.old is not None and self.selected(change.old)
        matches = change.new is not None and self.selected(change.new)
        if not was and not matches:
            return None
        kind = "DELETED" if not matches else "MODIFIED" if was else "ADDED"
        return self.encode(kind, change.last_state)

    def existing(self) -> Iterator[bytes]:
        """ADDED lines for what is there now."""
        resource, target = self.target.resource, self.target
        namespace = None if target.all_namespaces else target.namespace
        for obj in self.plane.store.scan(resource.storage, namespace, label=self.selected.label):
            if self.selected(obj):
                yield self.encode("ADDED", obj)


def start(
    plane: ControlPlane, target: Target, query: dict[str, str], accept: str
) -> AsyncIterator[bytes]:
    """The stream of a watch request; backlog and subscription are taken in one step when it is
    first read.

    Raises:
        ApiError: 400, 406, 422 (sendInitialEvents without resourceVersionMatch).
    """
    selected = selectors.parse(target.resource, query, target.name or None)
    bookmarks = flag(query, "allowWatchBookmarks")
    watch = Watch(plane, target, selected, reads.wants_table(accept.replace(";stream=watch", "")),
                  query.get("includeObject", ""), bookmarks)  # fmt: skip
    revision = integer(query, "resourceVersion") or 0
    initial = flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None
    if (initial is not None) != (query.get("resourceVersionMatch") == "NotOlderThan"):
        detail = (
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            if initial is not None
            else "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        )
        name = "resourceVersionMatch"
        raise errors.invalid_option("ListOptions", name, detail, "FieldValueForbidden")
    limit = integer(query, "timeoutSeconds") or _LONGEST
    everything = bool(initial) or (revision == 0 and initial is None)
    return _stream(watch, revision, everything, bool(initial), time.monotonic() + limit)


def _backlog(watch: Watch, revision: int, everything: bool, mark_end: bool) -> list[bytes]:
    """What a watch starts with: all that exists, or the changes since a revision."""
    if everything:
        lines = list(watch.existing())
        if mark_end and watch.bookmarks:
            lines.append(watch.bookmark(watch.plane.store.revision, _INITIAL_END))
        return lines
    changes = watch.plane.store.since(revision) if revision else []
    return [line for change in changes if (line := watch.event(change)) is not None]


async def _stream(
    watch: Watch, revision: int, everything: bool, mark_end: bool, deadline: float
) -> AsyncIterator[bytes]:
    """Backlog, then live changes and bookmarks until the deadline."""
    with watch.plane.hub.subscribe(watch.target.resource.storage) as queue:
        try:
            backlog = _backlog(watch, revision, everything, mark_end)
        except LookupError as error:
            gone = errors.expired(str(error.args[0])).body()
            yield to_json({"type": "ERROR", "object": gone}) + b"\n"
            return
        for line in backlog:
            yield line
        next_bookmark = time.monotonic() + BOOKMARK_SECONDS
        while (now := time.monotonic()) < deadline:
            try:
                change = await asyncio.wait_for(
                    queue.get(), max(min(deadline, next_bookmark) - now, 0.001)
                )
            except TimeoutError:
                if watch.bookmarks and queue.empty():
                    yield watch.bookmark(watch.plane.store.revision)
                next_bookmark = time.monotonic() + BOOKMARK_SECONDS
                continue
            if change is None:
                return
            next_line = watch.event(change)
            if next_line is not None:
                yield next_line

"""Background controllers: garbage collection, namespace deletion, expiry of events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

from simulacra_controlplane.background.garbage_collector import Collector
from simulacra_controlplane.background.namespace_deletion import Drainer
from simulacra_controlplane.errors import ApiError
from simulacra_controlplane.state import ControlPlane
from simulacra_controlplane.store import Change, Key

_log = logging.getLogger(__name__)
_EVENT_LIFE = timedelta(hours=1)
_EXPIRY_SECONDS = 60.0


def expire_events(plane: ControlPlane) -> None:
    """Remove events older than an hour, as `--event-ttl` of a real server does."""
    oldest = (datetime.now(UTC) - _EVENT_LIFE).strftime("%Y-%m-%dT%H:%M:%SZ")
    for event in plane.store.all("events"):
        times = [
            event["metadata"]["creationTimestamp"],
            event.get("lastTimestamp"),
            event.get("eventTime"),
        ]
        times.append((event.get("series") or {}).get("lastObservedTime"))
        if max(filter(None, times)) < oldest:
            plane.store.remove(
                Key("events", event["metadata"]["namespace"], event["metadata"]["name"])
            )


class Controllers:
    """The control plane's own level-based loops.

    Args:
        plane: Whose changes they follow. The kinds of its stored CRDs are served from here on.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._collector, self._drainer = Collector(plane), Drainer(plane)
        self._pending: OrderedDict[Key, None] = OrderedDict()
        self._wake = asyncio.Event()
        plane.store.listeners.insert(0, self._drainer.register)
        plane.store.listeners.append(self._note)
        self._add(self._drainer.start() + self._collector.start())

    def _add(self, keys: list[Key]) -> None:
        for key in keys:
            self._pending[key] = None
        if keys:
            self._wake.set()

    def _note(self, change: Change) -> None:
        self._add(self._collector.affected(change) + self._drainer.affected(change))

    async def run(self) -> None:
        """Work until cancelled, giving way to requests after each key."""
        expiry = 0.0
        while True:
            if time.monotonic() >= expiry:
                expire_events(self._plane)
                expiry = time.monotonic() + _EXPIRY_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _EXPIRY_SECONDS)
            self._wake.clear()
            while self._pending:
                key, _ = self._pending.popitem(last=False)
                self._look(key)
                await asyncio.sleep(0)

    def _look(self, key: Key) -> None:
        try:
            self._collector.look(key)
            self._drainer.look(key)
        except ApiError as error:
            # an object that its own schema refuses today; another change brings it back here
            _log.warning("left %s alone: %s (%d)", key.resource, error.reason, error.code)

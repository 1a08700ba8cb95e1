"""Records of reads: what was opened for an answer, in the audit log before the answer's first byte.

A first read of a document by a client is appended at once. Repeats within a minute are counted, and
the count is appended once the minute is over, or when the process ends. A crash loses such counts,
never a first read. If the count cannot be appended, it is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from simulacra_crds.kinds.base import WorkResource
from simulacra_custody.audit.event import AuditData, AuditEvent, Component, Counts, EventType
from simulacra_custody.audit.log import SegmentedAuditLog
from simulacra_custody.errors import AuditUnavailable

BURST_SECONDS = 60.0
_PAUSE_SECONDS = 5.0
_LOG = logging.getLogger("simulacra_api")


@dataclass(frozen=True)
class Read:
    """One document in an answer: its resource, or None for a list, its artifact and its size."""

    kind: str
    uid: str | None
    artefact: str
    counts: Counts

    @classmethod
    def of(cls, resource: WorkResource, artefact: str, size: int) -> Read:
        """Return the read of an artifact, or of a part of the spec, of this size in bytes."""
        return cls(resource.PLURAL, resource.metadata.uid, artefact, Counts(objects=1, bytes=size))


@dataclass
class _Burst:
    """Reads of one document by one client since the first one."""

    first: AuditData
    ends: float
    objects: int = 0
    bytes: int = 0


_Key = tuple[str | None, str | None, str, str | None, str]


class ReadRecords:
    """Appends the reads of one process to the audit log; used from one event loop."""

    def __init__(self, log: SegmentedAuditLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._bursts: dict[_Key, _Burst] = {}
        """Those that began first come first."""
        self._owed: list[AuditEvent] = []

    async def record(self, who: AuditData, reads: Iterable[Read]) -> None:
        """Put reads of a caller on record; AuditUnavailable (503) means: do not answer."""
        now, first = self._clock(), {}
        for read in reads:
            key = (who.tenant, who.client, read.kind, read.uid, read.artefact)
            burst = self._bursts.get(key)
            if burst is not None and now < burst.ends:
                burst.objects += read.counts.objects or 0
                burst.bytes += read.counts.bytes or 0
            elif key not in first:
                first[key] = who.model_copy(update=vars(read))
        if first:
            await self._append([_event(data) for data in first.values()], until=now)
            for key, data in first.items():
                # Another request may have been first at the same time, and counts already.
                self._bursts.setdefault(key, _Burst(data, self._clock() + BURST_SECONDS))

    async def run(self) -> None:
        """Append the counts of bursts that are over, again and again."""
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            with suppress(AuditUnavailable):
                await self._append([], until=self._clock())

    async def close(self) -> None:
        """Append every count."""
        try:
            await self._append([], until=math.inf)
        except AuditUnavailable:
            _LOG.error("counts of reads lost", extra={"records": len(self._owed)})

    async def _append(self, first: list[AuditEvent], *, until: float) -> None:
        """Append these records, and the counts of bursts that ended until this time."""
        while self._bursts and (oldest := next(iter(self._bursts.items())))[1].ends <= until:
            del self._bursts[oldest[0]]
            self._owed += _repeats(oldest[1])
        owed, self._owed = self._owed, []
        if not first and not owed:
            return
        try:
            await asyncio.to_thread(self._log.append, *first, *owed)
        except AuditUnavailable:
            self._owed += owed
            raise


def _event(data: AuditData) -> AuditEvent:
    return AuditEvent(type=EventType.ARTEFACT_READ, source=Component.API, data=data)


def _repeats(burst: _Burst) -> list[AuditEvent]:
    """Return the record of a burst's repeats, which were several requests."""
    if not burst.objects:
        return []
    counts = Counts(objects=burst.objects, bytes=burst.bytes or None)
    return [_event(burst.first.model_copy(update={"request": None, "counts": counts}))]

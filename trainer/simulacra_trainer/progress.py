"""Progress of a run: percent, seconds left and step, reported at most once a second."""

import time
from collections import deque
from collections.abc import Callable

from simulacra_crds.tasks import ProgressReport

INTERVAL_S = 1.0
MIN_SHARE_FOR_ETA = 0.03
"""No estimate of the remaining time below this share."""
RECENT = 0.25
"""Part of the time so far whose pace counts as the present one."""
MIN_RECENT_S = 10.0
Sink = Callable[[ProgressReport], None]


def silent(_: ProgressReport) -> None:
    """Take a progress report and show nothing."""


class ProgressMeter:
    """Combines the progress of steps and sends reports to a sink.

    Args:
        weights: the steps in order, with their relative durations.
        sink: receives reports: the first at once, then at most one per second, and the last one.
        clock: seconds, monotonic.
    """

    def __init__(
        self, weights: dict[str, float], sink: Sink, clock: Callable[[], float] = time.monotonic
    ) -> None:
        total = sum(weights.values())
        self._spans: dict[str, tuple[float, float]] = {}
        begin = 0.0
        for step, weight in weights.items():
            self._spans[step] = (begin / total, weight / total)
            begin += weight
        self._sink = sink
        self._clock = clock
        self._began = clock()
        self._reported: float | None = None
        self._share = 0.0
        self._passed: deque[tuple[float, float]] = deque([(self._began, 0.0)])
        """Time and share of the reports, from the last one before the recent time on."""
        self._finished = False

    def step(self, name: str) -> Callable[[float], None]:
        """Begin a step; return a function that takes its completed share, 0..1."""
        begin, width = self._spans[name]

        def advance(done: float) -> None:
            self._share = max(self._share, begin + width * min(max(done, 0.0), 1.0))
            self._report(name)

        self._share = max(self._share, begin)
        self._report(name)
        return advance

    def _report(self, step: str) -> None:
        now = self._clock()
        whole = self._share >= 1.0 - 1e-9
        is_due = self._reported is None or now - self._reported >= INTERVAL_S
        if self._finished or not (whole or is_due):
            return
        self._reported = now
        self._finished = whole
        eta = self._left(now)
        self._passed.append((now, self._share))
        percent = 100 if whole else int(100 * self._share)
        self._sink(ProgressReport(percent=percent, eta_seconds=eta, step=step))

    def _left(self, now: float) -> int | None:
        """Return the seconds left at the pace of the whole or the recent one, the slower of both.

        The weights of the steps are those of a usual table: in another one the last steps may take
        most of the time.
        """
        if self._share < MIN_SHARE_FOR_ETA:
            return None
        elapsed = now - self._began
        recent = now - max(RECENT * elapsed, MIN_RECENT_S)
        while len(self._passed) > 1 and self._passed[1][0] <= recent:
            self._passed.popleft()
        since, share = self._passed[0]
        paces = [self._share / elapsed] if elapsed > 0 else []
        if since < now and share < self._share:
            paces.append((self._share - share) / (now - since))
        return round((1.0 - self._share) / min(paces)) if paces else None

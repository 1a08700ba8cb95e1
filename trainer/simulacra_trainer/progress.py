"""Progress of a run: percent, seconds left and step, reported at most once a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from simulacra_crds.contract.tasks import ProgressReport

INTERVAL_S = 1.0
MIN_SHARE_FOR_ETA = 0.03
"""No estimate of the remaining time below this share."""
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
        eta = None
        if self._share >= MIN_SHARE_FOR_ETA:
            eta = round((now - self._began) * (1.0 - self._share) / self._share)
        percent = 100 if whole else int(100 * self._share)
        self._sink(ProgressReport(percent=percent, eta_seconds=eta, step=step))

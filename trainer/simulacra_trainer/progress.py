"""Progress of a run: percent, seconds left and the step, told at most once a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from simulacra_crds.contract.tasks import ProgressReport

INTERVAL_S = 1.0
MIN_SHARE_FOR_ETA = 0.03
"""Before so much is done, the time that is left is anybody's guess."""
Sink = Callable[[ProgressReport], None]


class ProgressMeter:
    """Adds up steps to the whole run and hands reports to a sink.

    Args:
        weights: the steps in order, and how long each takes relative to the others.
        sink: takes a report; called at once, then at most once a second, and at the very end.
        clock: seconds, monotonic.
    """

    def __init__(
        self, weights: dict[str, float], sink: Sink, clock: Callable[[], float] = time.monotonic
    ) -> None:
        total = sum(weights.values())
        starts, begin = {}, 0.0
        for step, weight in weights.items():
            starts[step] = (begin / total, weight / total)
            begin += weight
        self._spans, self._sink, self._clock = starts, sink, clock
        self._began = clock()
        self._told: float | None = None
        self._share, self._finished = 0.0, False

    def step(self, name: str) -> Callable[[float], None]:
        """Begin a step; return what takes the share of it that is done, 0..1."""
        begin, width = self._spans[name]

        def advance(done: float) -> None:
            self._share = max(self._share, begin + width * min(max(done, 0.0), 1.0))
            self._tell(name)

        self._share = max(self._share, begin)
        self._tell(name)
        return advance

    def _tell(self, step: str) -> None:
        now, whole = self._clock(), self._share >= 1.0 - 1e-9
        if self._finished or not (whole or self._told is None or now - self._told >= INTERVAL_S):
            return
        self._told, self._finished = now, whole
        eta = None
        if self._share >= MIN_SHARE_FOR_ETA:
            eta = round((now - self._began) * (1.0 - self._share) / self._share)
        self._sink(
            ProgressReport(
                percent=100 if whole else int(100 * self._share), eta_seconds=eta, step=step
            )
        )

"""Periodic tasks: a step that runs again and again, whether the last one failed or not."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Never

from simulacra_crds.kube.client import ClusterError
from simulacra_custody.errors import CustodyError

log = logging.getLogger(__name__)
EXPECTED: tuple[type[Exception], ...] = (ClusterError, CustodyError)
"""Errors of a dependency, after which a task continues."""


@dataclass(frozen=True)
class Periodic:
    """A step and the pause after it.

    Attributes:
        name: the task's name in the log.
        seconds: pause between two steps.
        step: the step; a number that it returns is the next pause instead.
        expected: errors that are logged; any other ends the operator.
    """

    name: str
    seconds: float
    step: Callable[[], Awaitable[float | None]]
    expected: tuple[type[Exception], ...] = EXPECTED

    async def run(self) -> Never:
        """Run the step at once and after each pause, until cancelled."""
        while True:
            pause = None
            with logged(self.name, self.expected):
                pause = await self.step()
            await asyncio.sleep(self.seconds if pause is None else pause)


@contextmanager
def logged(
    task: str, expected: tuple[type[Exception], ...] = EXPECTED, *, survive: bool = False
) -> Iterator[None]:
    """Log expected errors and continue; with `survive`, log any other error with its trace."""
    try:
        yield
    except expected as error:
        fields = {"task": task, "error": type(error).__name__}
        log.warning("task failed", extra={**fields, "status": getattr(error, "status", None)})
    except Exception:
        if not survive:
            raise
        log.exception("task failed unexpectedly", extra={"task": task})

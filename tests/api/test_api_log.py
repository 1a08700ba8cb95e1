"""The log: lines gather for a moment, keep their order, and none that matters waits."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator

import pytest

from simulacra_api.log import GatheringHandler


class _Stream(io.StringIO):
    """Counts writes."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


@pytest.fixture
def logged() -> Iterator[tuple[logging.Logger, _Stream]]:
    log, stream = logging.Logger("simulacra_api.test"), _Stream()
    handler = GatheringHandler(stream, 0.05)
    log.addHandler(handler)
    yield log, stream
    handler.close()


async def test_lines_are_written_together(logged: tuple[logging.Logger, _Stream]) -> None:
    log, stream = logged
    for number in range(3):
        log.info("line %d", number)
    assert not stream.getvalue()
    while not stream.getvalue():
        await asyncio.sleep(0.01)
    assert (stream.getvalue(), stream.writes) == ("line 0\nline 1\nline 2\n", 1)
    log.info("another")
    while stream.writes < 2:
        await asyncio.sleep(0.01)
    assert stream.getvalue().endswith("line 2\nanother\n")


async def test_a_warning_is_written_at_once_after_what_came_before(
    logged: tuple[logging.Logger, _Stream],
) -> None:
    log, stream = logged
    log.info("first")
    log.warning("second")
    assert stream.getvalue() == "first\nsecond\n"


async def test_a_line_of_a_thread_is_written(logged: tuple[logging.Logger, _Stream]) -> None:
    log, stream = logged
    await asyncio.to_thread(log.info, "from a thread")
    assert stream.getvalue() == "from a thread\n"


def test_what_is_left_is_written_at_the_end(logged: tuple[logging.Logger, _Stream]) -> None:
    log, stream = logged

    async def serve() -> None:
        log.info("last words")

    asyncio.run(serve())
    assert not stream.getvalue()
    log.handlers[0].flush()  # as logging.shutdown does
    assert stream.getvalue() == "last words\n"

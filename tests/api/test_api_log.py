"""The process log: lines are buffered for a moment, keep their order, and warnings do not wait."""

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


async def test_lines_are_written_in_batches(logged: tuple[logging.Logger, _Stream]) -> None:
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


async def test_warning_flushes_it_and_all_earlier_lines(
    logged: tuple[logging.Logger, _Stream],
) -> None:
    log, stream = logged
    log.info("first")
    log.warning("second")
    assert stream.getvalue() == "first\nsecond\n"


async def test_line_from_a_thread_is_written_at_once(
    logged: tuple[logging.Logger, _Stream],
) -> None:
    log, stream = logged
    await asyncio.to_thread(log.info, "from a thread")
    assert stream.getvalue() == "from a thread\n"


def test_flush_writes_lines_left_after_the_loop(logged: tuple[logging.Logger, _Stream]) -> None:
    log, stream = logged

    async def serve() -> None:
        log.info("last words")

    asyncio.run(serve())
    assert not stream.getvalue()
    log.handlers[0].flush()  # as logging.shutdown does
    assert stream.getvalue() == "last words\n"

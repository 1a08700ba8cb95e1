"""The body of an upload request: with an idle timeout, and a piece in batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from simulacra_api.http.problems import Problem
from simulacra_api.uploads.digest_check import DigestCheck, digest_fields

BATCH_BYTES = 1 << 20
IDLE_SECONDS = 60.0
"""How long a client may take for the next LEAST_BYTES; a slower upload ends.

Else it holds its connection and, with a byte now and then, its lease for ever.
"""
LEAST_BYTES = 16 << 10


class Stalled(Problem):
    """Too little arrived for too long."""

    def __init__(self) -> None:
        detail = (
            f"Less than {LEAST_BYTES >> 10} KiB arrived in {IDLE_SECONDS:.0f} seconds. Send it "
            "again with the same key."
        )
        super().__init__("simio_upload_timeout", detail)


async def with_idle_timeout(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the bytes of a body; Stalled when it is too slow. Only the waiting counts."""
    left, arrived = IDLE_SECONDS, 0
    while True:
        began = time.monotonic()
        try:
            async with asyncio.timeout(left):
                data = await anext(body, None)
        except TimeoutError:
            raise Stalled from None
        if data is None:
            return
        left, arrived = left - (time.monotonic() - began), arrived + len(data)
        if arrived >= LEAST_BYTES:
            left, arrived = IDLE_SECONDS, 0
        yield data


async def read_piece(request: Request) -> AsyncIterator[bytes]:
    """Yield a body in batches of about 1 MiB; when it breaks off, first all that has arrived.

    Raises:
        ClientDisconnect, Stalled: the body breaks off.
        Problem: 400 when it does not match its digests.
    """
    body = with_idle_timeout(request.stream())
    check = DigestCheck("piece", digest_fields(request))
    data = bytearray()
    broken: Exception | None = None
    while True:
        try:
            arrived = await anext(body, None)
        except (ClientDisconnect, Stalled) as error:
            broken = error
            break
        if arrived is None:
            break
        data += arrived
        if len(data) >= BATCH_BYTES:
            batch = bytes(data)
            data.clear()
            await asyncio.to_thread(check.update, batch)
            yield batch
    if data:
        check.update(bytes(data))
        yield bytes(data)
    if broken is not None:
        raise broken
    check.verify()

"""The body of a request as it arrives: in batches, held against its digest, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from starlette.requests import ClientDisconnect

from simulacra_api.http.problems import Problem
from simulacra_api.uploads.digests import DigestCheck
from simulacra_api.uploads.multipart import BATCH_BYTES, IDLE_SECONDS


class Stalled(Problem):
    """No byte arrived for too long."""

    def __init__(self) -> None:
        super().__init__("simio_upload_timeout", f"No byte arrived for {IDLE_SECONDS:.0f} seconds")


async def batches(body: AsyncIterator[bytes], digests: Sequence[str]) -> AsyncIterator[bytes]:
    """Yield a body in batches of about 1 MiB; of one that breaks off, all that came before the
    error.

    Args:
        body: of the request.
        digests: values of its digest fields.

    Raises:
        ClientDisconnect: the client has gone.
        Stalled: it is silent.
        Problem: 400 when the body is not what its digest says.
    """
    check, data = DigestCheck("piece"), bytearray()
    for value in digests:
        check.expect(value)
    broken: Exception | None = None
    while broken is None:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                arrived = await anext(body, None)
        except (ClientDisconnect, TimeoutError) as error:
            broken = error if isinstance(error, ClientDisconnect) else Stalled()
            break
        if arrived is None:
            break
        data += arrived
        if len(data) >= BATCH_BYTES:
            batch, data = bytes(data), bytearray()
            await asyncio.to_thread(check.update, batch)
            yield batch
    if data:
        check.update(bytes(data))
        yield bytes(data)
    if broken is not None:
        raise broken
    check.verify()

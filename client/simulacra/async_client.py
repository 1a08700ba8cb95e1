"""The SDK for asyncio: `AsyncClient`, with the operations of `Client` as coroutines."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from anyio import to_thread

from simulacra import operations
from simulacra.auth import ClientCredentials
from simulacra.client import download_options, multipart, request_options
from simulacra.client_base import ClientBase
from simulacra.connection import Connection
from simulacra.core import LocalWork, Pause, Request, Step, Steps
from simulacra.fitted import AsyncFittedModel
from simulacra.models import Document
from simulacra.operation import Awaiting
from simulacra.tables import Frame
from simulacra.upload_io import ReadInThread, on_event_loop

T = TypeVar("T")


class AsyncClient(ClientBase, Awaiting):
    """A tenant's view of the service. Use it with `async with`, or await close()."""

    def __init__(self, connection: Connection, *, timeout: float = 60.0) -> None:
        super().__init__(connection)
        auth = ClientCredentials(connection)
        self._http = httpx2.AsyncClient(base_url=connection.api_url, auth=auth, timeout=timeout)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def fit(self, source: str | Path | Frame, **options: Any) -> AsyncFittedModel:
        """Upload a table, wait until its model is fit, and return the model; as `Client.fit`."""
        found = await self._run(operations.one_call.fit(source, **options))
        return AsyncFittedModel(self._run, *found)

    async def load(self, dataset_id: str) -> AsyncFittedModel:
        """Return the model of a dataset that was uploaded before."""
        found = await self._run(operations.one_call.named_dataset(dataset_id))
        return AsyncFittedModel(self._run, *found)

    async def rotate_credentials(self, overlap_seconds: int | None = None) -> Document:
        """Make a new client secret and return it, once; the old one stays valid for the overlap.

        An overlap of 0, after a leak, ends the old secret and every token issued before.
        """
        secret = self._connection.client_secret
        return await self._run(operations.account.rotate_credentials(secret, overlap_seconds))

    async def _run(self, steps: Steps[T]) -> T:
        """Carry out the steps of an operation, as `client.run` does."""
        try:
            step = next(steps)
            while True:
                try:
                    result = await self._do(step)
                except BaseException as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    async def _do(self, step: Step) -> Any:
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, LocalWork):
            return await to_thread.run_sync(step.do)
        if isinstance(step, Request):
            return await self._send(_counted_on_loop(step))
        options = download_options(step, self._http.base_url)
        async with self._http.stream("GET", step.url, **options) as response:
            if response.is_error:
                await response.aread()
            else:
                step.into.begin(response)
                async for chunk in response.aiter_bytes():
                    step.into.write(chunk)
        return response

    async def _send(self, step: Request) -> httpx2.Response:
        """Send a request; its file is hashed and read in a thread."""
        with ExitStack() as stack:
            files = None
            if step.file:
                files = await to_thread.run_sync(stack.enter_context, multipart(step))
            request = self._http.build_request(**request_options(step), files=files)
            body = step.piece or (request.stream if files else None)
            if isinstance(body, httpx2.SyncByteStream):
                request.stream = ReadInThread(body)
            return await self._http.send(request)


def _counted_on_loop(step: Request) -> Request:
    """Call `on_bytes` on the event loop although the file is read in a thread."""
    piece = step.piece and replace(step.piece, on_bytes=on_event_loop(step.piece.on_bytes))
    return replace(step, piece=piece, on_bytes=on_event_loop(step.on_bytes))

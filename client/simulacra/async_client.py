"""The SDK for asyncio: `AsyncClient`. The same operations as `Client`, from the same core."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import replace
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx2
from anyio import to_thread

from simulacra import operations
from simulacra.auth import ClientCredentials
from simulacra.client import fetching, opened, requesting
from simulacra.connection import Connection
from simulacra.protocol import Ask, Local, Pause, Step, Steps, describe
from simulacra.sending import ReadInThread, on_the_loop

P = ParamSpec("P")
T = TypeVar("T")


def _awaited(operation: Callable[P, Steps[T]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """Return the coroutine method that does an operation's steps."""

    @wraps(operation)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(operation(*args, **kwargs))

    describe(method, operation)
    return method


class AsyncClient:
    """A tenant's view of the service. Use it with `async with`, or await close()."""

    def __init__(self, connection: Connection, *, timeout: float = 60.0) -> None:
        self._http = httpx2.AsyncClient(
            base_url=connection.api_url, auth=ClientCredentials(connection), timeout=timeout
        )

    @classmethod
    def from_connection(cls, path: str | Path) -> AsyncClient:
        """Connect as the `connection.json` of `simulacra up` says."""
        return cls(Connection.from_file(path))

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    upload = _awaited(operations.upload)
    datasets = _awaited(operations.datasets)
    dataset = _awaited(operations.dataset)
    get = _awaited(operations.get)
    schema = _awaited(operations.schema)
    report = _awaited(operations.report)
    report_page = _awaited(operations.report_page)
    graph = _awaited(operations.graph)
    knowledge = _awaited(operations.knowledge)
    refit = _awaited(operations.refit)
    extend = _awaited(operations.extend)
    generate = _awaited(operations.generate)
    generations = _awaited(operations.generations)
    generation = _awaited(operations.generation)
    probe = _awaited(operations.probe)
    download = _awaited(operations.download)
    table = _awaited(operations.table)
    to_pandas = _awaited(operations.to_pandas)
    to_polars = _awaited(operations.to_polars)
    estimate = _awaited(operations.estimate)
    effects = _awaited(operations.effects)
    effect = _awaited(operations.effect)
    jobs = _awaited(operations.jobs)
    job = _awaited(operations.job)
    wait = _awaited(operations.wait)
    cancel = _awaited(operations.cancel)
    delete = _awaited(operations.delete)
    delete_dataset = _awaited(operations.delete_dataset)
    delete_generation = _awaited(operations.delete_generation)
    delete_effect = _awaited(operations.delete_effect)
    erasure_certificate = _awaited(operations.erasure_certificate)
    erasure_certificates = _awaited(operations.erasure_certificates)
    audit_checkpoint = _awaited(operations.audit_checkpoint)
    explain = _awaited(operations.explain)
    published_keys = _awaited(operations.published_keys)
    usage = _awaited(operations.usage)
    audit_events = _awaited(operations.audit_events)
    webhooks = _awaited(operations.webhooks)
    create_webhook = _awaited(operations.create_webhook)
    delete_webhook = _awaited(operations.delete_webhook)
    rotate_credentials = _awaited(operations.rotate_credentials)

    async def _run(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                try:
                    answer = await self._do(step)
                except BaseException as error:  # the operation decides what to do about it, and closes its files
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    async def _do(self, step: Step) -> Any:
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Local):
            return await to_thread.run_sync(step.do)
        if isinstance(step, Ask):
            return await self._ask(_told_here(step))
        async with self._http.stream("GET", step.url, **fetching(step, self._http.base_url)) as response:
            if response.is_error:
                await response.aread()
            else:
                step.into.begin(response)
                async for chunk in response.aiter_bytes():
                    step.into.write(chunk)
        return response

    async def _ask(self, step: Ask) -> httpx2.Response:
        """Send a request; its file is hashed and read in a thread."""
        with ExitStack() as stack:
            files = await to_thread.run_sync(stack.enter_context, opened(step)) if step.file else None
            request = self._http.build_request(**requesting(step), files=files)
            body = step.piece or (request.stream if files else None)
            if isinstance(body, httpx2.SyncByteStream):
                request.stream = ReadInThread(body)
            return await self._http.send(request)


def _told_here(step: Ask) -> Ask:
    """Have what goes told on the event loop, though the file is read in a thread."""
    piece = step.piece and replace(step.piece, on_bytes=on_the_loop(step.piece.on_bytes))
    return replace(step, piece=piece, on_bytes=on_the_loop(step.on_bytes))

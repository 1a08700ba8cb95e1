"""The SDK for asyncio: `AsyncClient`, with the operations of `Client` as coroutines."""

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
from simulacra.client import download_options, multipart, request_options
from simulacra.connection import Connection
from simulacra.core import LocalWork, Pause, Request, Step, Steps, copy_signature
from simulacra.fitted import AsyncFittedModel
from simulacra.models import Document
from simulacra.tables import Frame
from simulacra.upload_io import ReadInThread, on_event_loop

P = ParamSpec("P")
T = TypeVar("T")


def _awaited(
    operation: Callable[P, Steps[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """Return the coroutine method that runs an operation."""

    @wraps(operation)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(operation(*args, **kwargs))

    copy_signature(method, operation)
    return method


class AsyncClient:
    """A tenant's view of the service. Use it with `async with`, or await close()."""

    def __init__(self, connection: Connection, *, timeout: float = 60.0) -> None:
        self._connection = connection
        auth = ClientCredentials(connection)
        self._http = httpx2.AsyncClient(base_url=connection.api_url, auth=auth, timeout=timeout)

    @classmethod
    def from_environment(cls) -> AsyncClient:
        """Connect as `Connection.from_environment` says; often to the last `simulacra up`."""
        return cls(Connection.from_environment())

    @classmethod
    def from_connection(cls, path: str | Path) -> AsyncClient:
        """Connect with the `connection.json` of `simulacra up`."""
        return cls(Connection.from_file(path))

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def api_url(self) -> str:
        """Address of the service."""
        return self._connection.api_url

    def __repr__(self) -> str:
        return f"AsyncClient({self.api_url})"

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    upload = _awaited(operations.uploads.upload)
    datasets = _awaited(operations.datasets.datasets)
    dataset = _awaited(operations.datasets.dataset)
    get = _awaited(operations.resources.get)
    schema = _awaited(operations.datasets.schema)
    describe = _awaited(operations.datasets.describe)
    report = _awaited(operations.resources.report)
    report_page = _awaited(operations.resources.report_page)
    graph = _awaited(operations.datasets.graph)
    knowledge = _awaited(operations.datasets.knowledge)
    refit = _awaited(operations.datasets.refit)
    extend = _awaited(operations.datasets.extend)
    generate = _awaited(operations.generations.generate)
    generations = _awaited(operations.generations.generations)
    generation = _awaited(operations.generations.generation)
    probe = _awaited(operations.generations.probe)
    download = _awaited(operations.generations.download)
    table = _awaited(operations.generations.table)
    to_pandas = _awaited(operations.generations.to_pandas)
    to_polars = _awaited(operations.generations.to_polars)
    estimate = _awaited(operations.effects.estimate)
    effects = _awaited(operations.effects.effects)
    effect = _awaited(operations.effects.effect)
    boost = _awaited(operations.segments.boost)
    segments = _awaited(operations.segments.segments)
    segment = _awaited(operations.segments.segment)
    ask_sheet = _awaited(operations.sheets.ask_sheet)
    sheets = _awaited(operations.sheets.sheets)
    sheet = _awaited(operations.sheets.sheet)
    sheet_page = _awaited(operations.sheets.sheet_page)
    sheet_workbook = _awaited(operations.sheets.sheet_workbook)
    jobs = _awaited(operations.jobs.jobs)
    job = _awaited(operations.jobs.job)
    wait = _awaited(operations.jobs.wait)
    cancel = _awaited(operations.jobs.cancel)
    delete = _awaited(operations.resources.delete)
    delete_dataset = _awaited(operations.datasets.delete_dataset)
    delete_generation = _awaited(operations.generations.delete_generation)
    delete_effect = _awaited(operations.effects.delete_effect)
    delete_segment = _awaited(operations.segments.delete_segment)
    delete_sheet = _awaited(operations.sheets.delete_sheet)
    erasure_certificate = _awaited(operations.certificates.erasure_certificate)
    erasure_certificates = _awaited(operations.certificates.erasure_certificates)
    live_keys_root = _awaited(operations.certificates.live_keys_root)
    audit_checkpoint = _awaited(operations.certificates.audit_checkpoint)
    explain = _awaited(operations.account.explain)
    published_keys = _awaited(operations.certificates.published_keys)
    usage = _awaited(operations.account.usage)
    audit_events = _awaited(operations.account.audit_events)
    webhooks = _awaited(operations.account.webhooks)
    create_webhook = _awaited(operations.account.create_webhook)
    delete_webhook = _awaited(operations.account.delete_webhook)
    console_link = _awaited(operations.account.console_link)

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

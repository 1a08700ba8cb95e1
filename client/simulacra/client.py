"""The SDK for code that waits: `Client`. One method a step of the main job; `async_client` has the same, awaited."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx2

from simulacra import operations
from simulacra.auth import ClientCredentials
from simulacra.connection import Connection
from simulacra.protocol import Ask, Fetch, Local, Pause, Step, Steps, describe
from simulacra.sending import Counted

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(operation: Callable[P, Steps[T]]) -> Callable[Concatenate[Client, P], T]:
    """Return the method that does an operation's steps one after the other."""

    @wraps(operation)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(operation(*args, **kwargs))

    describe(method, operation)
    return method


class Client:
    """A tenant's view of the service. Use it as a context manager, or call close()."""

    def __init__(self, connection: Connection, *, timeout: float = 60.0) -> None:
        self._http = httpx2.Client(base_url=connection.api_url, auth=ClientCredentials(connection), timeout=timeout)

    @classmethod
    def from_connection(cls, path: str | Path) -> Client:
        """Connect as the `connection.json` of `simulacra up` says."""
        return cls(Connection.from_file(path))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    upload = _blocking(operations.upload)
    datasets = _blocking(operations.datasets)
    dataset = _blocking(operations.dataset)
    get = _blocking(operations.get)
    schema = _blocking(operations.schema)
    report = _blocking(operations.report)
    report_page = _blocking(operations.report_page)
    graph = _blocking(operations.graph)
    knowledge = _blocking(operations.knowledge)
    refit = _blocking(operations.refit)
    extend = _blocking(operations.extend)
    generate = _blocking(operations.generate)
    generations = _blocking(operations.generations)
    generation = _blocking(operations.generation)
    probe = _blocking(operations.probe)
    download = _blocking(operations.download)
    table = _blocking(operations.table)
    to_pandas = _blocking(operations.to_pandas)
    to_polars = _blocking(operations.to_polars)
    estimate = _blocking(operations.estimate)
    effects = _blocking(operations.effects)
    effect = _blocking(operations.effect)
    jobs = _blocking(operations.jobs)
    job = _blocking(operations.job)
    wait = _blocking(operations.wait)
    cancel = _blocking(operations.cancel)
    delete = _blocking(operations.delete)
    delete_dataset = _blocking(operations.delete_dataset)
    delete_generation = _blocking(operations.delete_generation)
    delete_effect = _blocking(operations.delete_effect)
    erasure_certificate = _blocking(operations.erasure_certificate)
    erasure_certificates = _blocking(operations.erasure_certificates)
    audit_checkpoint = _blocking(operations.audit_checkpoint)
    explain = _blocking(operations.explain)
    published_keys = _blocking(operations.published_keys)
    usage = _blocking(operations.usage)
    audit_events = _blocking(operations.audit_events)
    webhooks = _blocking(operations.webhooks)
    create_webhook = _blocking(operations.create_webhook)
    delete_webhook = _blocking(operations.delete_webhook)
    rotate_credentials = _blocking(operations.rotate_credentials)

    def _run(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                try:
                    answer = self._do(step)
                except BaseException as error:  # the operation decides what to do about it, and closes its files
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def _do(self, step: Step) -> Any:
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        if isinstance(step, Local):
            return step.do()
        if isinstance(step, Ask):
            with opened(step) as files:
                request = self._http.build_request(**requesting(step), files=files)
                if step.piece:
                    request.stream = step.piece
                return self._http.send(request)
        with self._http.stream("GET", step.url, **fetching(step, self._http.base_url)) as response:
            if response.is_error:
                response.read()
            else:
                step.into.begin(response)
                for chunk in response.iter_bytes():
                    step.into.write(chunk)
        return response


@contextmanager
def opened(step: Ask) -> Iterator[Any]:
    """Open the file of a request, if it has one, as httpx2 takes it, with its digest (RFC 9530)."""
    if step.file is None:
        yield None
        return
    with step.file.open("rb") as file:
        digest = base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()
        file.seek(0)
        sent = Counted(file, step.file.stat().st_size, step.on_bytes) if step.on_bytes else file
        yield {"file": (step.file.name, sent, None, {"Content-Digest": f"sha-256=:{digest}:"})}


def requesting(step: Ask) -> dict[str, Any]:
    """Return a request as httpx2 takes it, but for its file."""
    length = {"Content-Length": str(step.piece.size)} if step.piece else {}
    return {
        "method": step.method,
        "url": step.path,
        "params": step.params,
        "json": step.json,
        "data": step.form,
        "headers": step.headers | length,
    }


def fetching(step: Fetch, base_url: httpx2.URL) -> dict[str, Any]:
    """Return the options of a download: a link to another host carries its own right to read and gets no token."""
    url = httpx2.URL(step.url)
    ours = url.host in ("", base_url.host)
    return {
        "params": url.params.merge(step.params),  # httpx2 would replace the link's own query
        "headers": {"Accept-Encoding": "identity", **step.headers},
        "auth": httpx2.USE_CLIENT_DEFAULT if ours else None,
    }


@contextmanager
def connect() -> Iterator[Client]:
    """Connect as the environment says."""
    with Client(Connection.from_environment()) as client:
        yield client

"""The blocking SDK: `Client`, with one method for each operation."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from simulacra import operations
from simulacra.auth import ClientCredentials
from simulacra.client_base import ClientBase
from simulacra.connection import Connection
from simulacra.core import Download, LocalWork, Pause, Request, Step, Steps
from simulacra.fitted import FittedModel
from simulacra.models import Document
from simulacra.operation import Blocking
from simulacra.tables import Frame
from simulacra.upload_io import CountedFile

T = TypeVar("T")


class Client(ClientBase, Blocking):
    """A tenant's view of the service. Use it as a context manager, or call close()."""

    def __init__(self, connection: Connection, *, timeout: float = 60.0) -> None:
        super().__init__(connection)
        auth = ClientCredentials(connection)
        self._http = httpx2.Client(base_url=connection.api_url, auth=auth, timeout=timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def fit(self, source: str | Path | Frame, **options: Any) -> FittedModel:
        """Upload a table, wait until its model is fit, and return the model.

        Its `generate`, `estimate` and `report` wait too, as those of `simulacra.fit`, which needs
        no service. The options are those of `upload`, and on_progress of `wait`.
        """
        return FittedModel(self._run, *self._run(operations.one_call.fit(source, **options)))

    def load(self, dataset_id: str) -> FittedModel:
        """Return the model of a dataset that was uploaded before."""
        return FittedModel(self._run, *self._run(operations.one_call.named_dataset(dataset_id)))

    def _run(self, steps: Steps[T]) -> T:
        return run(self._http, steps)

    def rotate_credentials(self, overlap_seconds: int | None = None) -> Document:
        """Make a new client secret and return it, once; the old one stays valid for the overlap.

        An overlap of 0, after a leak, ends the old secret and every token issued before.
        """
        secret = self._connection.client_secret
        return run(self._http, operations.account.rotate_credentials(secret, overlap_seconds))


def run(http: httpx2.Client, steps: Steps[T]) -> T:
    """Carry out the steps of an operation and return its result.

    A failed step is raised inside the operation, which retries or closes its files.
    """
    try:
        step = next(steps)
        while True:
            try:
                result = _do(http, step)
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def _do(http: httpx2.Client, step: Step) -> Any:
    if isinstance(step, Pause):
        return time.sleep(step.seconds)
    if isinstance(step, LocalWork):
        return step.do()
    if isinstance(step, Request):
        with multipart(step) as files:
            request = http.build_request(**request_options(step), files=files)
            if step.piece:
                request.stream = step.piece
            return http.send(request)
    with http.stream("GET", step.url, **download_options(step, http.base_url)) as response:
        if response.is_error:
            response.read()
        else:
            step.into.begin(response)
            for chunk in response.iter_bytes():
                step.into.write(chunk)
    return response


@contextmanager
def multipart(step: Request) -> Iterator[Any]:
    """Open a request's file, if it has one, for httpx2, with its digest (RFC 9530)."""
    if step.file is None:
        yield None
        return
    with step.file.open("rb") as file:
        digest = base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()
        file.seek(0)
        size = step.file.stat().st_size
        body = CountedFile(file, size, step.on_bytes) if step.on_bytes else file
        yield {"file": (step.file.name, body, None, {"Content-Digest": f"sha-256=:{digest}:"})}


def request_options(step: Request) -> dict[str, Any]:
    """Return a request as httpx2 takes it, without its file."""
    length = {"Content-Length": str(step.piece.size)} if step.piece else {}
    return {
        "method": step.method,
        "url": step.path,
        "params": step.params,
        "json": step.json,
        "data": step.form,
        "headers": step.headers | length,
    }


def download_options(step: Download, base_url: httpx2.URL) -> dict[str, Any]:
    """Return a download's options for httpx2; a link to another host gets no token."""
    url = httpx2.URL(step.url)
    is_ours = url.host in ("", base_url.host)
    return {
        "params": url.params.merge(step.params),  # httpx2 would replace the link's own query
        "headers": {"Accept-Encoding": "identity", **step.headers},
        "auth": httpx2.USE_CLIENT_DEFAULT if is_ours else None,
    }

"""A piece of an upload: the progress before it, and its bytes, checked while they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import ClientDisconnect

from simulacra_api.http.problems import Problem
from simulacra_api.uploads.body import Stalled
from simulacra_api.uploads.file_signature import HEAD_BYTES, check_head
from simulacra_crds.kinds.base import ANNOTATION_UPLOAD_PLAN, ANNOTATION_UPLOAD_RECEIVED
from simulacra_crds.kube.client import Object
from simulacra_custody.artifact_writer import ArtifactWriter

_RECEIVED = "/metadata/annotations/" + ANNOTATION_UPLOAD_RECEIVED.replace("/", "~1")


@dataclass(frozen=True)
class Received:
    """Progress of an upload: stored pieces, their bytes, announced bytes and digest."""

    pieces: int
    bytes: int
    expected: int
    sha256: str | None

    @classmethod
    def of(cls, dataset: Object) -> Received | None:
        """Return the progress of a Dataset, None when it is not uploaded in pieces."""
        notes = dataset["metadata"].get("annotations", {})
        plan, received = notes.get(ANNOTATION_UPLOAD_PLAN), notes.get(ANNOTATION_UPLOAD_RECEIVED)
        if plan is None or received is None:
            return None
        size, digest = plan.split(" ")
        pieces, have = received.split(" ")
        return cls(int(pieces), int(have), int(size), None if digest == "-" else digest)

    def plus(self, size: int) -> Received:
        """Return the progress after one more piece."""
        return Received(self.pieces + 1, self.bytes + size, self.expected, self.sha256)

    @property
    def operation(self) -> Object:
        """JSON patch operation that notes the progress."""
        return {"op": "add", "path": _RECEIVED, "value": f"{self.pieces} {self.bytes}"}


class NotATable(Problem):
    """The arrived bytes can never become the announced table."""


class Piece:
    """The arriving bytes of one piece, checked against the announced file."""

    broken: Exception | None = None
    """Why the piece broke off, None when it arrived whole."""

    def __init__(self, received: Received, chunks: AsyncIterator[bytes]) -> None:
        self._received = received
        self._chunks = chunks

    async def write_to(self, writer: ArtifactWriter) -> None:
        """Write what arrives; a piece that breaks off is kept if it is large enough."""
        received = self._received
        try:
            async for chunk in self._chunks:
                if not received.bytes and not writer.tell():
                    _check_table(chunk, received.expected)
                if received.bytes + writer.tell() + len(chunk) > received.expected:
                    detail = f"The piece exceeds the {received.expected} bytes of this upload."
                    raise Problem("simio_upload_invalid", detail)
                await asyncio.to_thread(writer.write, chunk)
        except (ClientDisconnect, Stalled) as error:
            self.broken = error
        size = writer.tell()
        if size < HEAD_BYTES and received.bytes + size != received.expected:
            detail = f"A piece must have at least {HEAD_BYTES} bytes, unless it is the last one."
            raise self.broken or Problem("simio_upload_invalid", detail)


def _check_table(start: bytes, size: int) -> None:
    if len(start) < min(HEAD_BYTES, size):
        return  # too small to be kept
    try:
        check_head(start[:HEAD_BYTES], "")
    except Problem as problem:
        raise NotATable(problem.entry.code, problem.detail) from None

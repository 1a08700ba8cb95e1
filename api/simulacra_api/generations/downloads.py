"""The artifact of a generation: as it is stored where that is what was asked for, else rendered on
the way.

Nothing is answered before the first bytes were decrypted and authenticated, so that a tampered
artifact is a clean error. A fault further on cuts the connection.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Iterator

from fastapi import Response
from fastapi.responses import StreamingResponse

from simulacra_api.generations.render import render
from simulacra_api.generations.service import Format
from simulacra_api.http.problems import Problem
from simulacra_api.http.ranges import cut, parse_range
from simulacra_api.tenancy.repository import TenantRepository, is_cancelled, status_of
from simulacra_crds.contract.tasks import PART_PREFIX
from simulacra_crds.kinds.base import Artifact
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_custody.errors import ArtifactMissing

MEDIA_TYPES: dict[Format, str] = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.file",
}


class Download:
    """One generation's rows in one format."""

    def __init__(
        self, repository: TenantRepository, generation: GenerationJob, file_format: Format
    ) -> None:
        self._repository, self._generation, self._format = repository, generation, file_format
        artefacts = generation.status.artefacts
        self._parts = sorted(
            (a for a in artefacts if a.name.startswith(PART_PREFIX)), key=lambda a: a.name
        )
        if not self._parts or generation.status.wrapped_key is None:
            raise ArtifactMissing("a finished generation without rows")
        if any(part.key_arn is not None for part in self._parts):
            raise Problem("simio_customer_key")
        self.uid = generation.metadata.uid
        self.rows = generation.status.rows
        self._wrapped_key = generation.status.wrapped_key

    @property
    def stored(self) -> Artifact | None:
        """The artifact that can be sent as it is, None when the answer must be rendered."""
        return self._parts[0] if self._format == "parquet" and len(self._parts) == 1 else None

    def headers(self) -> dict[str, str]:
        """Return what describes the whole file, whether it is sent or not."""
        name = f"{self._generation.metadata.name}.{self._format}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Accept-Ranges": "none"}
        if self.stored is not None:
            digest = base64.b64encode(bytes.fromhex(self.stored.sha256)).decode()
            headers |= {
                "Accept-Ranges": "bytes",
                "Repr-Digest": f"sha-256=:{digest}:",
                "ETag": f'"{self.stored.sha256}"',
            }
        return headers

    def head(self) -> Response:
        """Answer HEAD."""
        size = {"Content-Length": str(self.stored.bytes)} if self.stored else {}
        return Response(headers=self.headers() | size, media_type=MEDIA_TYPES[self._format])

    async def send(self, range_header: str | None, if_range: str | None) -> Response:
        """Answer GET.

        Raises:
            Problem: 416 for a range outside the file. ArtifactCorrupt, ArtifactMissing,
            KeyUnavailable, StoreUnavailable: before the answer has begun.
        """
        headers, media_type = self.headers(), MEDIA_TYPES[self._format]
        if self.stored is None:
            rows = render((b"".join(self._read(part)) for part in self._parts), self._format)
            first = await asyncio.to_thread(next, rows, b"")
            return StreamingResponse(
                itertools.chain((first,), rows), headers=headers, media_type=media_type
            )
        size = self.stored.bytes
        asked = parse_range(range_header, size) if if_range in (None, headers["ETag"]) else None
        start, end = asked or (0, size)
        chunks = await asyncio.to_thread(self._read, self.stored)
        headers["Content-Length"] = str(end - start)
        if asked:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
            chunks = cut(chunks, start, end)
        return StreamingResponse(
            chunks, 206 if asked else 200, headers=headers, media_type=media_type
        )

    def _read(self, part: Artifact) -> Iterator[bytes]:
        ref = self._repository.ref(self._generation).artifact(part.name)
        return self._repository.services.custody.read(ref, self._wrapped_key)


def check_finished(generation: GenerationJob) -> None:
    """Refuse a download of rows that are not there (409)."""
    status = status_of(generation)
    if status == "failed":
        raise Problem("simio_cancelled" if is_cancelled(generation) else "simio_generation_failed")
    if status not in ("ready", "partial"):
        raise Problem("simio_generation_not_ready", headers={"Retry-After": "2"})

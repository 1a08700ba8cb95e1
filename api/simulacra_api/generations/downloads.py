"""Downloads of a generation's rows: links, files as stored or rendered, rows under a customer key.

A link is signed for one tenant and one generation, expires after 15 minutes, and needs a bearer
token as well. The response starts only after every byte of it was authenticated, so a tampered
artifact gives a clean error. If the object is changed or the store fails after that, the connection
is cut.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from simulacra_api.generations.render import Format, render
from simulacra_api.generations.schemas import CustomerArtifact, Decryption
from simulacra_api.http.problems import Problem
from simulacra_api.http.ranges import parse_range
from simulacra_api.settings import LINK_SECONDS
from simulacra_api.tenancy.repository import TenantRepository, is_cancelled, status_of
from simulacra_crds.kinds.base import Artifact, utcnow
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.tasks import PART_PREFIX
from simulacra_custody.artifact_writer import StoredArtifact
from simulacra_custody.errors import ArtifactMissing
from simulacra_custody.service import HELD_BYTES
from simulacra_schema.formats.xlsx import MAX_ROWS as MAX_SHEET_ROWS
from simulacra_schema.formats.xlsx import TOO_MANY as TOO_MANY_FOR_A_SHEET

READ_AHEAD = 8
"""Frames of 256 KiB that a download decrypts at a time."""

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MEDIA_TYPES: dict[Format, str] = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.file",
    "sav": "application/x-spss-sav",
    "xlsx": XLSX,
}


def make_link(
    key: bytes, path: str, *, tenant: str, uid: str, file_format: str
) -> tuple[str, datetime]:
    """Return a link to an artifact and its expiry. The signature does not cover the format."""
    expires = int(time.time()) + LINK_SECONDS
    signature = _signature(key, tenant, uid, expires)
    query = {"format": file_format, "expires": expires, "signature": signature}
    return f"{path}?{urlencode(query)}", datetime.fromtimestamp(expires, UTC)


def check_link(key: bytes, *, tenant: str, uid: str, expires: int, signature: str) -> None:
    """Refuse (403) a link that has expired or was made for another tenant or artifact."""
    expected = _signature(key, tenant, uid, expires)
    if not hmac.compare_digest(expected.encode(), signature.encode()) or time.time() > expires:
        raise Problem("simio_artifact_link_invalid")


def _signature(key: bytes, tenant: str, uid: str, expires: int) -> str:
    text = "\x1f".join(("artifact", tenant, uid, str(expires)))
    digest = hmac.digest(key, text.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def check_finished(generation: GenerationJob) -> None:
    """Refuse (409) a download before the rows exist."""
    status = status_of(generation)
    if status == "failed":
        raise Problem("simio_cancelled" if is_cancelled(generation) else "simio_generation_failed")
    if status not in ("ready", "partial"):
        raise Problem("simio_generation_not_ready", headers={"Retry-After": "2"})


class Download:
    """One generation's rows in one format."""

    def __init__(
        self,
        repository: TenantRepository,
        generation: GenerationJob,
        file_format: Format,
        *,
        safe: bool = False,
        plain: bool = False,
    ) -> None:
        self._repository = repository
        self._generation = generation
        self._format = file_format
        self._safe = safe
        self._plain = plain
        artifacts = generation.status.artefacts
        parts = [artifact for artifact in artifacts if artifact.name.startswith(PART_PREFIX)]
        self._parts = sorted(parts, key=lambda part: part.name)
        if not self._parts or generation.status.wrapped_key is None:
            raise ArtifactMissing("the generation is finished but has no rows")
        if any(part.key_arn is not None for part in self._parts):
            raise Problem("simio_customer_key")
        self.uid = generation.metadata.uid
        self.rows = generation.status.rows
        if file_format == "xlsx" and (self.rows or 0) > MAX_SHEET_ROWS:
            raise Problem("simio_invalid_field", TOO_MANY_FOR_A_SHEET)
        self._wrapped_key = generation.status.wrapped_key

    @property
    def stored(self) -> Artifact | None:
        """The artifact that can be sent as it is, None when the file must be rendered."""
        return self._parts[0] if self._format == "parquet" and len(self._parts) == 1 else None

    def headers(self) -> dict[str, str]:
        """Return the headers that describe the whole file, for GET and HEAD."""
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
            Problem: 416 for a range outside the file.
            ArtifactCorrupt, ArtifactMissing, KeyUnavailable, StoreUnavailable: before the response
                has started.
        """
        headers = self.headers()
        media_type = MEDIA_TYPES[self._format]
        if self.stored is None:
            content = await asyncio.to_thread(self._render)
            return StreamingResponse(content, headers=headers, media_type=media_type)
        size = self.stored.bytes
        bounds = parse_range(range_header, size) if if_range in (None, headers["ETag"]) else None
        start, end = bounds or (0, size)
        chunks = await asyncio.to_thread(self._verified, self.stored, start, end)
        headers["Content-Length"] = str(end - start)
        if bounds:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        status = 206 if bounds else 200
        return StreamingResponse(
            _read_ahead(chunks), status, headers=headers, media_type=media_type
        )

    def _render(self) -> Iterator[bytes]:
        """Authenticate all parts, then return the rendered file of their rows."""
        parts = [self._verified(part, 0, part.bytes) for part in self._parts]
        joined = map(b"".join, parts)
        rows = render(joined, self._format, safe=self._safe, plain=self._plain, rows=self.rows)
        return itertools.chain((next(rows, b""),), rows)

    def _verified(self, part: Artifact, start: int, end: int) -> Iterator[bytes]:
        return self._repository.services.custody.read_verified(
            self._repository.ref(self._generation).artifact(part.name),
            self._wrapped_key,
            _stored(part),
            start=start,
            end=end,
            held_bytes=HELD_BYTES // len(self._parts),
        )


async def _read_ahead(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the chunks, several from each call into a thread: a call takes as long as a frame."""
    while batch := await run_in_threadpool(list, itertools.islice(chunks, READ_AHEAD)):
        for chunk in batch:
            yield chunk


async def customer_artifacts(
    repository: TenantRepository, generation: GenerationJob
) -> list[CustomerArtifact] | None:
    """Return the parts under the customer's own key, with fresh links; None if there are none."""
    artifacts = generation.status.artefacts
    parts = [artifact for artifact in artifacts if artifact.key_arn is not None]
    if not parts:
        return None
    return await asyncio.to_thread(
        lambda: [_customer_artifact(repository, generation, part) for part in parts]
    )


def _stored(part: Artifact) -> StoredArtifact:
    return StoredArtifact(part.name, part.bytes, 0, part.sha256, part.message_id)


def _customer_artifact(
    repository: TenantRepository, generation: GenerationJob, part: Artifact
) -> CustomerArtifact:
    # Imports boto3, which only an installation with customer keys needs.
    from simulacra_custody.keys.customer_kms import decrypt_metadata, presigned_url

    ref = repository.ref(generation).artifact(part.name)
    known = decrypt_metadata(ref, part.key_arn or "", _stored(part))
    url = presigned_url(repository.services.custody.store, ref)
    expires = utcnow().replace(microsecond=0) + timedelta(seconds=LINK_SECONDS)
    return CustomerArtifact(
        name=part.name,
        url=url,
        url_expires_at=expires if url else None,
        bytes=part.bytes,
        sha256=part.sha256,
        rows=part.rows,
        decrypt=Decryption.model_validate(known, from_attributes=True),
    )

"""The upload in one request: from the claim of its key to the complete Dataset."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from simulacra_api.http.problems import Problem
from simulacra_api.tenancy.idempotency import check_same_request, find_deleted
from simulacra_api.tenancy.read_cache import poll
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_api.uploads.form import LARGE_FIELDS
from simulacra_api.uploads.schemas import UploadFields
from simulacra_api.uploads.upload_lease import Lease
from simulacra_api.uploads.upload_writer import UploadWriter
from simulacra_crds.kinds.base import ANNOTATION_UPLOAD_PLAN
from simulacra_crds.kube.client import AlreadyExists, Object
from simulacra_crds.storage_usage import stored_bytes, upload_plan
from simulacra_crds.tasks import UPLOAD
from simulacra_custody.artifact_writer import ArtifactWriter

FORM_ALLOWANCE = sum(LARGE_FIELDS.values()) + (64 << 10)
"""Bytes that a form may have besides its file."""
ERASURE_SECONDS = 5.0
"""How long a new upload waits for the erasure of the key's earlier Dataset."""


class Upload(UploadWriter):
    """An upload in one request: begin, one piece, complete."""

    def __init__(self, repository: TenantRepository, announced: int | None) -> None:
        """Prepare it; 413 when the announced bytes of the body are above the limit.

        Announced bytes count as stored from the start.
        """
        super().__init__(repository)
        self._notes: dict[str, str] = {}
        if announced is not None:
            if announced > self._limit + FORM_ALLOWANCE:
                raise self._too_large()
            self._notes[ANNOTATION_UPLOAD_PLAN] = upload_plan(announced)

    async def run(self, name: str, fields: UploadFields, chunks: AsyncIterator[bytes]) -> Object:
        """Receive the bytes and return the complete Dataset; the earlier one when the key was used.

        Raises:
            Problem: 409 for a key in use, 413 or 402 above a limit, and the services' errors.
        """
        if gone := await find_deleted(self._repository, name, fields.digest):
            return await self._replay(gone, chunks)
        room = await self._room_for(name)
        try:
            dataset = await self._create(name, fields, self._notes)
        except AlreadyExists:
            return await self._retry(name, fields, chunks, room)
        return await self._receive(dataset, Lease(self._cluster, dataset), fields, chunks, room)

    async def _retry(
        self, name: str, fields: UploadFields, chunks: AsyncIterator[bytes], room: int
    ) -> Object:
        """Answer a used key: as before, by taking over an upload that broke off, or with a 409."""
        async for dataset in poll(lambda: self._find(name), ERASURE_SECONDS, first=0.25, most=0.25):
            if dataset is None or not dataset["metadata"].get("deletionTimestamp"):
                break
        if dataset is None:
            return await self.run(name, fields, chunks)
        check_same_request(dataset, fields.digest)
        if dataset["spec"]["source"].get("sha256"):
            return await self._replay(dataset, chunks)
        room += stored_bytes(dataset)  # its announced bytes were counted when it began
        lease = await Lease.take_over(self._cluster, dataset)
        return await self._receive(dataset, lease, fields, chunks, room)

    async def _replay(self, dataset: Object, chunks: AsyncIterator[bytes]) -> Object:
        """Return the Dataset of an earlier request if the bytes are the same; 409 otherwise."""
        digest = hashlib.sha256()
        async for chunk in self._bounded(chunks, self._limit):  # stores nothing, so needs no room
            await asyncio.to_thread(digest.update, chunk)
        if digest.hexdigest() != dataset["spec"]["source"]["sha256"]:
            raise Problem("simio_idempotency_conflict")
        return dataset

    async def _receive(
        self,
        dataset: Object,
        lease: Lease,
        fields: UploadFields,
        chunks: AsyncIterator[bytes],
        room: int,
    ) -> Object:
        async def fill(writer: ArtifactWriter) -> None:
            async for chunk in self._bounded(chunks, room):
                await asyncio.to_thread(writer.write, chunk)

        try:
            async with lease.kept():
                await self._ensure_model(dataset, fields)
                key = await self._ensure_key(dataset)
                await self._describe(dataset, key, fields)
                ref = self._ref(dataset).artifact(UPLOAD)
                stored = await self._store(ref, key, lease, fill)
                await self._record(dataset, stored)
            completed = await self._complete(lease, stored)
        except BaseException:
            await asyncio.shield(self._discard(dataset, lease))
            raise
        if not self._notes:
            self._ledger.forget(self._tenant)
        return completed

    async def _bounded(self, chunks: AsyncIterator[bytes], room: int) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            self._check_size(size, room)
            yield chunk

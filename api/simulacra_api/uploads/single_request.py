"""An upload in one request, from the claim of its key to the completed Dataset; see `upload_steps` for the order."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator

from simulacra_api.auth.caller import Caller
from simulacra_api.http.problems import Problem
from simulacra_api.services import Services
from simulacra_api.tenancy.idempotency import check_same_request
from simulacra_api.tenancy.tombstones import find_tombstone, resource_as_created
from simulacra_api.uploads.service import UploadRequest, UploadSteps
from simulacra_api.uploads.upload_lease import ANNOTATION, Lease
from simulacra_crds.contract.storage_usage import stored_bytes, upload_plan
from simulacra_crds.contract.tasks import UPLOAD
from simulacra_crds.kinds.base import ANNOTATION_UPLOAD_PLAN
from simulacra_crds.kube.client import DATASETS, AlreadyExists, NotFound, Object
from simulacra_custody.artifact_writer import StoredArtifact

DELETION_POLLS = 20
DELETION_POLL_SECONDS = 0.25


class Upload:
    """One upload of one caller."""

    def __init__(
        self,
        services: Services,
        caller: Caller,
        request: UploadRequest,
        limit: int,
        announced: int | None = None,
    ) -> None:
        """Prepare it; `announced` are the bytes of the body, if known: they count as stored from the beginning."""
        self._services, self._caller, self._request, self._limit = services, caller, request, limit
        self._notes = {} if announced is None else {ANNOTATION_UPLOAD_PLAN: upload_plan(announced)}
        self._steps, self._room = UploadSteps(services, caller), limit

    async def run(self, chunks: AsyncIterator[bytes]) -> Object:
        """Receive the bytes and return the completed Dataset, or the one that the key completed
        before.

        Raises:
            Problem: 409 for a key in use, 413 above the limit, and what the services below mean.
        """
        name, namespace, digest = self._request.name, self._caller.namespace, self._request.digest
        if gone := await find_tombstone(self._services.cluster, name, namespace, digest):
            if await self._digest(chunks) != gone.content:
                raise Problem("simio_idempotency_conflict")
            return resource_as_created(name, gone)
        self._room = await self._steps.room(name, self._limit)
        try:
            dataset = await self._steps.create(self._request, self._notes)
        except NotFound:
            raise Problem("simio_tenant_not_ready") from None
        except AlreadyExists:
            return await self._again(chunks)
        lease = Lease(
            self._services.cluster, dataset, dataset["metadata"]["annotations"][ANNOTATION]
        )
        return await self._receive(dataset, lease, chunks)

    async def _again(self, chunks: AsyncIterator[bytes]) -> Object:
        """The key was used: answer as before, take over what broke off, or refuse."""
        dataset = await self._settled()
        if dataset is None:
            return await self.run(chunks)
        check_same_request(dataset, self._request.digest)
        if sha256 := dataset["spec"]["source"].get("sha256"):
            self._room = self._limit  # nothing is stored again
            if await self._digest(chunks) != sha256:
                raise Problem("simio_idempotency_conflict")
            return dataset
        self._room += stored_bytes(dataset)  # what it announced was counted when it began
        return await self._receive(
            dataset, await Lease.take_over(self._services.cluster, dataset), chunks
        )

    async def _settled(self) -> Object | None:
        """Return the Dataset of the key; one that is being erased gets a few seconds to go."""
        for attempt in itertools.count():
            dataset = await self._services.cluster.find(
                DATASETS, self._request.name, self._caller.namespace
            )
            if (
                dataset is None
                or not dataset["metadata"].get("deletionTimestamp")
                or attempt == DELETION_POLLS
            ):
                return dataset
            await asyncio.sleep(DELETION_POLL_SECONDS)
        raise AssertionError("unreachable")

    async def _receive(self, dataset: Object, lease: Lease, chunks: AsyncIterator[bytes]) -> Object:
        try:
            async with lease.kept():
                await self._steps.ensure_model(dataset, self._request)
                wrapped = await self._steps.ensure_key(dataset)
                stored = await self._store(dataset, wrapped, lease, chunks)
                await self._steps.record(dataset, stored)
            completed = await self._steps.complete(lease, stored)
            if not self._notes:
                self._steps.forget_use()
            return completed
        except BaseException:
            await asyncio.shield(self._steps.discard(dataset, lease))
            raise

    async def _store(
        self, dataset: Object, wrapped: str, lease: Lease, chunks: AsyncIterator[bytes]
    ) -> StoredArtifact:
        """Encrypt the chunks into the `upload` artifact; whole or not at all."""
        context = self._services.custody.open_writer(
            self._steps.ref(dataset).artifact(UPLOAD), wrapped
        )
        writer = await asyncio.to_thread(context.__enter__)
        try:
            async for chunk in chunks:
                self._check_size(writer.tell() + len(chunk))
                await asyncio.to_thread(writer.write, chunk)
            await (
                lease.renew()
            )  # who was silent too long must not replace the bytes of who took over
            return await asyncio.to_thread(writer.commit)
        finally:
            await asyncio.shield(asyncio.to_thread(context.__exit__, None, None, None))

    async def _digest(self, chunks: AsyncIterator[bytes]) -> str:
        digest, size = hashlib.sha256(), 0
        async for chunk in chunks:
            size += len(chunk)
            self._check_size(size)
            await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()

    def _check_size(self, size: int) -> None:
        self._steps.check_size(size, self._limit, self._room)

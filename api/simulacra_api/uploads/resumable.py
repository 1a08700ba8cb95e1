"""An upload in pieces: begun with its size, appended to at an offset, gone on from after a break.

A piece is an artifact of the Dataset, encrypted under its key while it arrives; what has arrived of
one that breaks off is a piece too. How many there are is an annotation that changes with the lease,
in one patch: of two who append at once, one wins. The last piece makes them into the artifact that
an upload in one request is. Until then the Dataset waits; silent for an hour, it is given up, and
the pieces are erased with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from starlette.requests import ClientDisconnect

from simulacra_api.http.problems import Problem
from simulacra_api.http.request_body import Stalled
from simulacra_api.tenancy.idempotency import check_same_request
from simulacra_api.tenancy.repository import CANCELLED, TenantRepository
from simulacra_api.tenancy.tombstones import find_tombstone, resource_as_created
from simulacra_api.uploads.file_signature import HEAD_BYTES, check_head
from simulacra_api.uploads.schemas import UploadPlan
from simulacra_api.uploads.service import UploadSteps
from simulacra_api.uploads.upload_lease import ANNOTATION, Lease, resting_value
from simulacra_crds.contract.storage_usage import upload_plan
from simulacra_crds.contract.tasks import UPLOAD, UPLOAD_PIECES
from simulacra_crds.kinds.base import ANNOTATION_UPLOAD_PLAN, ANNOTATION_UPLOAD_RECEIVED
from simulacra_crds.kube.client import DATASETS, AlreadyExists, ClusterError, NotFound, Object
from simulacra_custody.artifact_writer import ArtifactWriter, StoredArtifact
from simulacra_custody.errors import CustodyError
from simulacra_custody.refs import ArtifactRef

MAX_PIECES = 10_000
OFFSET = "Upload-Offset"
"""Header: where the next piece begins (as in draft-ietf-httpbis-resumable-upload)."""
_RECEIVED = "/metadata/annotations/" + ANNOTATION_UPLOAD_RECEIVED.replace("/", "~1")


@dataclass(frozen=True)
class Received:
    """How far an upload in pieces is: stored pieces, their bytes, and what the whole is to be."""

    pieces: int
    bytes: int
    expected: int
    sha256: str | None

    @classmethod
    def of(cls, dataset: Object) -> Received | None:
        """Read it from a Dataset; None when its upload is none in pieces."""
        notes = dataset["metadata"].get("annotations", {})
        plan, received = notes.get(ANNOTATION_UPLOAD_PLAN), notes.get(ANNOTATION_UPLOAD_RECEIVED)
        if plan is None or received is None:
            return None
        size, digest = plan.split(" ")
        pieces, have = received.split(" ")
        return cls(int(pieces), int(have), int(size), None if digest == "-" else digest)

    def plus(self, size: int) -> Received:
        """Return it with one more piece."""
        return Received(self.pieces + 1, self.bytes + size, self.expected, self.sha256)

    @property
    def operation(self) -> Object:
        """The JSON patch operation that notes it."""
        return {"op": "add", "path": _RECEIVED, "value": f"{self.pieces} {self.bytes}"}


class NoTable(Problem):
    """What arrived can never become the table that was announced."""


class PieceUpload:
    """Uploads in pieces of one caller."""

    def __init__(self, repository: TenantRepository) -> None:
        self._services, self._caller = repository.services, repository.caller
        self._steps = UploadSteps(repository.services, repository.caller)

    async def begin(self, name: str, plan: UploadPlan, limit: int) -> Object:
        """Return the Dataset that the pieces go to: a new one, or the one that this key began (or
        completed) before.

        Raises:
            Problem: 402, 413, 429 when there is no room for it, 409 for a key in use.
        """
        request, namespace = plan.request(name), self._caller.namespace
        if gone := await find_tombstone(self._services.cluster, name, namespace, request.digest):
            return resource_as_created(name, gone)
        dataset = await self._services.cluster.find(DATASETS, name, namespace)
        if dataset is None:
            self._steps.check_size(plan.bytes, limit, await self._steps.room(name, limit))
            notes = {
                ANNOTATION: resting_value(),
                ANNOTATION_UPLOAD_PLAN: upload_plan(plan.bytes, plan.sha256),
                ANNOTATION_UPLOAD_RECEIVED: "0 0",
            }
            try:
                dataset = await self._steps.create(request, notes)
            except NotFound:
                raise Problem("simio_tenant_not_ready") from None
            except AlreadyExists:  # the same request, at the same moment
                dataset = await self._services.cluster.get(DATASETS, name, namespace)
        check_same_request(dataset, request.digest)
        await self._steps.ensure_model(dataset, request)
        return dataset

    async def append(self, dataset: Object, offset: int, chunks: AsyncIterator[bytes]) -> Object:
        """Store a piece, and return the Dataset as it then is: completed by the last one.

        Args:
            dataset: as it was just read.
            offset: where in the file the piece begins.
            chunks: the piece; what has arrived counts also when it ends in ClientDisconnect or
                Stalled.

        Raises:
            Problem: 409 for another offset than the next one, while another piece arrives, or once
                it was cancelled; 400 for what is no table or not what was said, and for pieces that
                are too many or too small; 408 when it stops arriving.
            ClientDisconnect: the client has gone.
        """
        received = _known(Received.of(dataset))
        if offset != received.bytes:
            raise _elsewhere(received.bytes)
        if dataset["spec"]["source"].get(
            "sha256"
        ):  # the answer to the last piece did not reach the client
            return dataset
        if CANCELLED in dataset["metadata"].get("annotations", {}):
            raise Problem("simio_cancelled")
        lease = await Lease.take_over(self._services.cluster, dataset)
        try:
            return await self._receive(dataset, lease, received, chunks)
        except BaseException as error:
            if await asyncio.shield(self._give_back(dataset, lease, error)):
                raise
            raise Problem(
                "simio_upload_not_found"
            ) from None  # it expired, or was deleted, while the piece arrived

    async def _receive(
        self, dataset: Object, lease: Lease, received: Received, chunks: AsyncIterator[bytes]
    ) -> Object:
        whole = broken = None
        async with lease.kept():
            wrapped = await self._steps.ensure_key(dataset)
            if received.bytes < received.expected:  # else a join before did not come to its end
                stored, broken = await self._store(dataset, wrapped, lease, received, chunks)
                if stored is not None:
                    await self._steps.record(dataset, stored)
                    received = received.plus(stored.bytes)
            if received.bytes == received.expected:
                await lease.note([received.operation])
                whole = await self._join(dataset, wrapped, lease, received)
        if whole is None:
            dataset = await lease.rest([received.operation])
        else:
            dataset = await self._steps.complete(lease, whole)
            await asyncio.to_thread(self._erase_pieces, dataset, received)
            await (
                self._services.cache.settle()
            )  # each piece read the Dataset, as it was before it was complete
        if dataset["metadata"].get("deletionTimestamp"):
            raise Problem("simio_upload_not_found")
        if broken is not None:
            raise broken
        return dataset

    async def _store(
        self,
        dataset: Object,
        wrapped: str,
        lease: Lease,
        received: Received,
        chunks: AsyncIterator[bytes],
    ) -> tuple[StoredArtifact | None, Exception | None]:
        """Store what arrives, None when that is too little to be kept; and what it was that broke it off."""
        if received.pieces == MAX_PIECES:
            raise Problem(
                "simio_upload_invalid",
                f"An upload has {MAX_PIECES} pieces at most: begin with larger ones",
            )
        async with self._writing(self._piece(dataset, received.pieces), wrapped) as writer:
            broken = await _write(writer, received, chunks)
            if writer.tell() < HEAD_BYTES and received.bytes + writer.tell() != received.expected:
                if broken is None:
                    raise Problem(
                        "simio_upload_invalid",
                        f"A piece but the last has {HEAD_BYTES} bytes at least",
                    )
                return None, broken
            await (
                lease.renew()
            )  # who was silent too long must not replace the bytes of who took over
            return await asyncio.to_thread(writer.commit), broken

    async def _join(
        self, dataset: Object, wrapped: str, lease: Lease, received: Received
    ) -> StoredArtifact:
        """Write the pieces, which are all there, into the `upload` artifact."""
        async with self._writing(self._steps.ref(dataset).artifact(UPLOAD), wrapped) as writer:
            for number in range(received.pieces):
                await asyncio.to_thread(self._copy, self._piece(dataset, number), wrapped, writer)
            await lease.renew()
            stored = await asyncio.to_thread(writer.commit)
        if stored.bytes != received.expected or stored.sha256 != (received.sha256 or stored.sha256):
            detail = "The file that arrived does not have the sha256 that its upload was begun with: begin anew"
            raise NoTable("simio_digest_mismatch", detail)
        await self._steps.record(dataset, stored)
        return stored

    @asynccontextmanager
    async def _writing(self, ref: ArtifactRef, wrapped: str) -> AsyncIterator[ArtifactWriter]:
        context = self._services.custody.open_writer(ref, wrapped)
        writer = await asyncio.to_thread(context.__enter__)
        try:
            yield writer
        finally:
            await asyncio.shield(asyncio.to_thread(context.__exit__, None, None, None))

    def _copy(self, piece: ArtifactRef, wrapped: str, writer: ArtifactWriter) -> None:
        for chunk in self._services.custody.read(piece, wrapped):
            writer.write(chunk)

    def _erase_pieces(self, dataset: Object, received: Received) -> None:
        for number in range(received.pieces):
            self._services.custody.store.delete(self._piece(dataset, number).key)

    def _piece(self, dataset: Object, number: int) -> ArtifactRef:
        return self._steps.ref(dataset).artifact(f"{UPLOAD_PIECES}{number:05}")

    async def _give_back(self, dataset: Object, lease: Lease, error: BaseException) -> bool:
        """After an error: delete what cannot become a table, erase what was deleted; all else can
        be gone on with.

        Returns whether it was there until now. A lease that cannot be given back goes stale.
        """
        if isinstance(error, NoTable):
            await self._steps.discard(dataset, lease)
            return True
        with suppress(Problem, ClusterError, CustodyError):
            metadata = dataset["metadata"]
            found = await self._services.cluster.find(
                DATASETS, metadata["name"], self._caller.namespace
            )
            now = found["metadata"] if found else {}
            if now.get("uid") == metadata["uid"] and not now.get("deletionTimestamp"):
                await lease.rest()
            else:  # its erasure may have come before the last bytes
                await asyncio.to_thread(self._services.custody.erase, self._steps.ref(dataset))
                return False
        return True


async def _write(
    writer: ArtifactWriter, received: Received, chunks: AsyncIterator[bytes]
) -> Exception | None:
    """Write what arrives, and return what broke it off."""
    try:
        async for chunk in chunks:
            if not received.bytes and not writer.tell():
                _check_table(chunk, received.expected)
            if received.bytes + writer.tell() + len(chunk) > received.expected:
                detail = f"The upload was begun for {received.expected} bytes, and this piece goes beyond them"
                raise Problem("simio_upload_invalid", detail)
            await asyncio.to_thread(writer.write, chunk)
    except (ClientDisconnect, Stalled) as error:
        return error
    return None


def _check_table(start: bytes, size: int) -> None:
    if len(start) < min(HEAD_BYTES, size):
        return  # it is not kept either
    try:
        check_head(start[:HEAD_BYTES], "")
    except Problem as problem:
        raise NoTable(problem.entry.code, problem.detail) from None


def _known(received: Received | None) -> Received:
    if received is None:  # the dataset was uploaded in one request
        raise Problem("simio_upload_not_found")
    return received


def _elsewhere(offset: int) -> Problem:
    detail = f"The upload has {offset} bytes: the next piece begins there"
    return Problem("simio_upload_offset_mismatch", detail, headers={OFFSET: str(offset)})

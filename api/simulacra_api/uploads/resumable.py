"""The upload in pieces: begun with its size, appended to at an offset, resumed after a break.

A piece is an artifact of the Dataset, encrypted under its key while it arrives; the bytes before a
break are a piece too. The number of pieces is an annotation that changes with the lease, in one
patch: of two concurrent appends, one wins. The last piece joins them into the artifact that an
upload in one request writes. Until then the Dataset waits; after an hour without a byte the
operator abandons it, and the pieces are erased with it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from simulacra_api.http.problems import Problem
from simulacra_api.tenancy.idempotency import check_same_request, find_deleted
from simulacra_api.tenancy.repository import CANCELLED
from simulacra_api.uploads.piece import NotATable, Piece, Received
from simulacra_api.uploads.schemas import UploadBody, UploadPlan
from simulacra_api.uploads.upload_lease import ANNOTATION, RESTING, Lease, lease_value
from simulacra_api.uploads.upload_writer import UploadWriter
from simulacra_crds.kinds.base import ANNOTATION_UPLOAD_PLAN, ANNOTATION_UPLOAD_RECEIVED
from simulacra_crds.kube.client import DATASETS, AlreadyExists, ClusterError, Object
from simulacra_crds.names import job_id
from simulacra_crds.storage_usage import upload_plan
from simulacra_crds.tasks import UPLOAD, UPLOAD_PIECES
from simulacra_custody.artifact_writer import ArtifactWriter, StoredArtifact
from simulacra_custody.errors import CustodyError
from simulacra_custody.refs import ArtifactRef

MAX_PIECES = 10_000
OFFSET = "Upload-Offset"
"""Header: where the next piece begins (as in draft-ietf-httpbis-resumable-upload)."""


def upload_body(dataset: Object) -> UploadBody:
    """Return what a customer sees of an upload; 404 when it has neither pieces nor all bytes."""
    name, source = dataset["metadata"]["name"], dataset["spec"]["source"]
    sha256, received = source.get("sha256"), Received.of(dataset)
    if received is None and sha256 is None:
        raise Problem("simio_upload_not_found")
    return UploadBody(
        upload_id=name,
        dataset_id=name,
        job_id=job_id(name),
        offset=source["bytes"] if received is None else received.bytes,
        bytes=source["bytes"] if received is None else received.expected,
        complete=sha256 is not None,
        sha256=sha256,
    )


class ResumableUpload(UploadWriter):
    """Uploads in pieces of one caller."""

    async def begin(self, name: str, plan: UploadPlan) -> Object:
        """Return the Dataset that the pieces go to, the existing one when the key was used.

        Raises:
            Problem: 402, 413, 429 when there is no room for it, 409 for a key in use.
        """
        if gone := await find_deleted(self._repository, name, plan.digest):
            return gone
        dataset = await self._find(name)
        if dataset is None:
            self._check_size(plan.bytes, await self._room_for(name))
            notes = {
                ANNOTATION: lease_value(RESTING),
                ANNOTATION_UPLOAD_PLAN: upload_plan(plan.bytes, plan.sha256),
                ANNOTATION_UPLOAD_RECEIVED: "0 0",
            }
            try:
                dataset = await self._create(name, plan, notes)
            except AlreadyExists:  # by the same request at the same moment
                dataset = await self._cluster.get(DATASETS, name, self._namespace)
        check_same_request(dataset, plan.digest)
        await self._ensure_model(dataset, plan)
        received = Received.of(dataset)
        if plan.description is not None and received is not None and not received.bytes:
            await self._describe(dataset, await self._ensure_key(dataset), plan)
        return dataset

    async def append(self, dataset: Object, offset: int, chunks: AsyncIterator[bytes]) -> Object:
        """Store a piece and return the Dataset; the last piece completes it.

        Args:
            dataset: as it was just read.
            offset: where in the file the piece begins.
            chunks: the piece; if it raises ClientDisconnect or Stalled, what arrived is kept.

        Raises:
            Problem: 409 for another offset than the next one, while another piece arrives, or after
                cancellation; 400 when it is not a table or not the announced file, and for pieces
                that are too many or too small; 408 when it stops arriving.
            ClientDisconnect: the client has disconnected.
        """
        received = Received.of(dataset)
        if received is None:  # it was uploaded in one request
            raise Problem("simio_upload_not_found")
        if offset != received.bytes:
            headers = {OFFSET: str(received.bytes)}
            detail = f"The next piece must begin at byte {received.bytes}."
            raise Problem("simio_upload_offset_mismatch", detail, headers=headers)
        if dataset["spec"]["source"].get("sha256"):  # the answer to the last piece was lost
            return dataset
        if CANCELLED in dataset["metadata"].get("annotations", {}):
            raise Problem("simio_cancelled")
        lease = await Lease.take_over(self._cluster, dataset)
        try:
            return await self._receive(dataset, lease, received, chunks)
        except BaseException as error:
            if await asyncio.shield(self._give_back(dataset, lease, error)):
                raise
            # It expired, or was deleted, while the piece arrived.
            raise Problem("simio_upload_not_found") from None

    async def _receive(
        self, dataset: Object, lease: Lease, received: Received, chunks: AsyncIterator[bytes]
    ) -> Object:
        piece = Piece(received, chunks)
        whole = None
        async with lease.kept():
            key = await self._ensure_key(dataset)
            if received.bytes < received.expected:  # else an earlier join was cut off
                if received.pieces == MAX_PIECES:
                    detail = f"The upload has {MAX_PIECES} pieces, the limit. Use larger pieces."
                    raise Problem("simio_upload_invalid", detail)
                ref = self._piece(dataset, received.pieces)
                stored = await self._store(ref, key, lease, piece.write_to)
                await self._record(dataset, stored)
                received = received.plus(stored.bytes)
            if received.bytes == received.expected:
                await lease.note([received.operation])
                whole = await self._join(dataset, key, lease, received)
        if whole is None:
            dataset = await lease.rest([received.operation])
        else:
            dataset = await self._complete(lease, whole)
            await asyncio.to_thread(self._erase_pieces, dataset, received)
            await self._repository.services.cache.settle()  # each piece cached the Dataset
        if dataset["metadata"].get("deletionTimestamp"):
            raise Problem("simio_upload_not_found")
        if piece.broken is not None:
            raise piece.broken
        return dataset

    async def _join(
        self, dataset: Object, key: str, lease: Lease, received: Received
    ) -> StoredArtifact:
        """Write all pieces into the `upload` artifact."""

        async def fill(writer: ArtifactWriter) -> None:
            for number in range(received.pieces):
                await asyncio.to_thread(self._copy, self._piece(dataset, number), key, writer)

        stored = await self._store(self._ref(dataset).artifact(UPLOAD), key, lease, fill)
        if stored.bytes != received.expected or stored.sha256 != (received.sha256 or stored.sha256):
            detail = "The file does not match the announced sha256. Begin another upload."
            raise NotATable("simio_digest_mismatch", detail)
        await self._record(dataset, stored)
        return stored

    def _copy(self, piece: ArtifactRef, key: str, writer: ArtifactWriter) -> None:
        for chunk in self._custody.read(piece, key):
            writer.write(chunk)

    def _erase_pieces(self, dataset: Object, received: Received) -> None:
        for number in range(received.pieces):
            self._custody.store.delete(self._piece(dataset, number).key)

    def _piece(self, dataset: Object, number: int) -> ArtifactRef:
        return self._ref(dataset).artifact(f"{UPLOAD_PIECES}{number:05}")

    async def _give_back(self, dataset: Object, lease: Lease, error: BaseException) -> bool:
        """Clean up after an error; return whether the Dataset is still there.

        Discards an upload that can never become a table, and erases one that was deleted; any other
        can be resumed. A lease that cannot be freed becomes stale.
        """
        if isinstance(error, NotATable):
            await self._discard(dataset, lease)
            return True
        metadata = dataset["metadata"]
        with suppress(Problem, ClusterError, CustodyError):
            found = await self._find(metadata["name"])
            now = found["metadata"] if found else {}
            if now.get("uid") == metadata["uid"] and not now.get("deletionTimestamp"):
                await lease.rest()
            else:  # its erasure may have come before the last bytes
                await asyncio.to_thread(self._custody.erase, self._ref(dataset))
                return False
        return True

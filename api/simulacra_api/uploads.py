"""An upload, from the claim of its key to the completed Dataset.

The order makes every crash harmless: the Dataset (with its finalizer) exists before the first byte is stored, the
wrapped key is in its status before the first byte is encrypted, and `spec.source` says "complete" last.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from simulacra_api.auditing import record
from simulacra_api.auth.caller import Caller
from simulacra_api.consumption import storage_full
from simulacra_api.idempotency import REQUEST_DIGEST, check_same_request, in_flight
from simulacra_api.jobs import FIT
from simulacra_api.leases import ANNOTATION, STARTED, Lease, new_value
from simulacra_api.problems import Problem
from simulacra_api.references import metadata
from simulacra_api.remembered import as_it_was, find_remembered
from simulacra_api.services import Services
from simulacra_crds.base import API_VERSION
from simulacra_crds.cluster import DATASETS, MODELS, AlreadyExists, ClusterError, Conflict, NotFound, Object
from simulacra_crds.model import DifferentialPrivacy, Knowledge
from simulacra_crds.names import model_name
from simulacra_crds.tasks import UPLOAD
from simulacra_custody.audit import Counts, EventType
from simulacra_custody.context import ResourceRef
from simulacra_custody.custody import StoredArtefact

DELETION_POLLS = 20
DELETION_POLL_SECONDS = 0.25
STATUS_ATTEMPTS = 10
_LOG = logging.getLogger("simulacra_api")


@dataclass(frozen=True)
class UploadRequest:
    """What an upload asks for, besides its bytes; `digest` is the request's fingerprint."""

    name: str
    digest: str
    retention_seconds: int
    family: str
    knowledge: Knowledge | None = None
    weights: str | None = None
    privacy: DifferentialPrivacy | None = None


class Upload:
    """One upload of one caller."""

    def __init__(self, rooms: Services, caller: Caller, request: UploadRequest, limit: int) -> None:
        self._rooms, self._caller, self._request, self._limit = rooms, caller, request, limit
        self._room = limit

    async def run(self, chunks: AsyncIterator[bytes]) -> Object:
        """Receive the bytes and return the completed Dataset, or the one that the key completed before.

        Raises:
            Problem: 409 for a key in use, 413 above the limit, and what the rooms below mean.
        """
        name, namespace, digest = self._request.name, self._caller.namespace, self._request.digest
        if gone := await find_remembered(self._rooms.cluster, name, namespace, digest):
            if await self._digest(chunks) != gone.content:
                raise Problem("simio_idempotency_conflict")
            return as_it_was(name, gone)
        await self._check_quotas()
        try:
            dataset = await self._rooms.cluster.create(DATASETS, self._new_dataset(), self._caller.namespace)
        except NotFound:
            raise Problem("simio_tenant_not_ready") from None
        except AlreadyExists:
            return await self._again(chunks)
        lease = Lease(self._rooms.cluster, dataset, dataset["metadata"]["annotations"][ANNOTATION])
        return await self._receive(dataset, lease, chunks)

    async def _check_quotas(self) -> None:
        """Refuse (402, 429) a new upload that the tenant's quotas have no room for; a replay needs none."""
        tenant = self._caller.tenant
        try:
            used = await self._rooms.books.of(tenant)
            used.check_jobs(tenant.spec.quotas)
            self._room = used.bytes_left(tenant.spec.quotas)
        except Problem:
            if await self._rooms.cluster.find(DATASETS, self._request.name, self._caller.namespace) is None:
                raise

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
        return await self._receive(dataset, await Lease.take_over(self._rooms.cluster, dataset), chunks)

    async def _settled(self) -> Object | None:
        """Return the Dataset of the key; one that is being erased gets a few seconds to go."""
        for attempt in itertools.count():
            dataset = await self._rooms.cluster.find(DATASETS, self._request.name, self._caller.namespace)
            if dataset is None or not dataset["metadata"].get("deletionTimestamp") or attempt == DELETION_POLLS:
                return dataset
            await asyncio.sleep(DELETION_POLL_SECONDS)
        raise AssertionError("unreachable")

    async def _receive(self, dataset: Object, lease: Lease, chunks: AsyncIterator[bytes]) -> Object:
        try:
            async with lease.kept():
                await self._ensure_model(dataset)
                wrapped = await self._ensure_key(dataset)
                stored = await self._store(dataset, wrapped, lease, chunks)
                await self._record(dataset, stored)
            completed = await lease.complete(
                [
                    {"op": "add", "path": "/spec/source/sha256", "value": stored.sha256},
                    {"op": "add", "path": "/spec/source/bytes", "value": stored.bytes},
                ]
            )
            self._rooms.books.count(self._caller.tenant, DATASETS, completed)
            return completed
        except BaseException:
            await asyncio.shield(self._discard(dataset, lease))
            raise

    async def _store(self, dataset: Object, wrapped: str, lease: Lease, chunks: AsyncIterator[bytes]) -> StoredArtefact:
        """Encrypt the chunks into the `upload` artefact; whole or not at all."""
        context = self._rooms.custody.open_writer(self._ref(dataset).artefact(UPLOAD), wrapped)
        writer = await asyncio.to_thread(context.__enter__)
        try:
            async for chunk in chunks:
                self._check_size(writer.tell() + len(chunk))
                await asyncio.to_thread(writer.write, chunk)
            await lease.renew()  # who was silent too long must not replace the bytes of who took over
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
        if size > self._limit:
            raise too_large(self._limit)
        if size > self._room:
            raise storage_full(self._caller.tenant.spec.quotas)

    async def _ensure_model(self, dataset: Object) -> None:
        name, known = model_name(self._request.name), self._request.knowledge
        body = {
            "apiVersion": API_VERSION,
            "kind": "Model",
            "metadata": metadata(
                name, self._caller.tenant_name, dataset=self._request.name, owner=dataset, annotations={}
            ),
            "spec": {
                "datasetRef": {"name": self._request.name},
                "retentionSeconds": self._request.retention_seconds,
                **({"knowledge": known.model_dump(by_alias=True)} if known else {}),
                **self._fit(),
            },
        }
        try:
            await self._rooms.cluster.create(MODELS, body, self._caller.namespace)
        except AlreadyExists:
            model = await self._rooms.cluster.find(MODELS, name, self._caller.namespace)
            owners = model["metadata"].get("ownerReferences", []) if model else []
            if dataset["metadata"]["uid"] not in {owner["uid"] for owner in owners}:
                raise in_flight("what this key made before is still being erased") from None

    async def _ensure_key(self, dataset: Object) -> str:
        """Return the Dataset's wrapped key; make it when there is none. Its only copy is in the status."""
        name, namespace = self._request.name, self._caller.namespace
        wrapped = await asyncio.to_thread(self._rooms.custody.new_resource_key, self._ref(dataset))
        for _ in range(STATUS_ATTEMPTS):
            current = await self._rooms.cluster.get(DATASETS, name, namespace)
            if current["metadata"]["uid"] != dataset["metadata"]["uid"]:
                break
            if kept := current.get("status", {}).get("wrappedKey"):
                return str(kept)
            version = current["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version}, "status": {"wrappedKey": wrapped}}
            try:
                await self._rooms.cluster.patch(DATASETS, name, patch, namespace, subresource="status")
            except Conflict:  # the operator wrote in between
                continue
            return wrapped
        raise in_flight("the dataset changed while its upload began")

    async def _record(self, dataset: Object, stored: StoredArtefact) -> None:
        data = self._caller.audit_data(
            kind=DATASETS.plural,
            uid=dataset["metadata"]["uid"],
            artefact=UPLOAD,
            sha256=stored.sha256,
            counts=Counts(bytes=stored.bytes),
        )
        await record(self._rooms.audit, EventType.ARTEFACT_WRITTEN, data)

    async def _discard(self, dataset: Object, lease: Lease) -> None:
        """Delete a Dataset whose upload failed, unless somebody else has taken it over; its finalizer erases."""
        try:
            await lease.renew()
            uid = dataset["metadata"]["uid"]
            await self._rooms.cluster.delete(DATASETS, self._request.name, self._caller.namespace, uid=uid)
        except (Problem, ClusterError) as error:  # then the lease goes stale, and the operator gives the upload up
            _LOG.warning("a failed upload could not be discarded: %s", type(error).__name__)

    def _ref(self, dataset: Object) -> ResourceRef:
        return ResourceRef(self._caller.tenant_name, DATASETS.plural, dataset["metadata"]["uid"])

    def _fit(self) -> Object:
        privacy = self._request.privacy
        return {"family": self._request.family, **({"privacy": privacy.to_wire()} if privacy else {})}

    def _new_dataset(self) -> Object:
        annotations = {
            STARTED: datetime.now(UTC).isoformat(),
            ANNOTATION: new_value(),
            REQUEST_DIGEST: self._request.digest,
            FIT: json.dumps(self._fit()),
        }
        return {
            "apiVersion": API_VERSION,
            "kind": "Dataset",
            "metadata": metadata(
                self._request.name, self._caller.tenant_name, dataset=None, owner=None, annotations=annotations
            ),
            "spec": {
                "retentionSeconds": self._request.retention_seconds,
                "source": {"type": "Upload"},
                **({"weights": self._request.weights} if self._request.weights else {}),
            },
        }


def too_large(limit: int) -> Problem:
    """Return the 413 that names the limit."""
    return Problem("simio_file_too_large", f"The file is above the limit of {limit} bytes: upload a smaller one")

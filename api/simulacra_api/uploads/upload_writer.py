"""Steps of an upload: create the Dataset, store encrypted artifacts, complete it.

The order makes every crash harmless: the Dataset (with its finalizer) exists before the first byte
is stored, the wrapped key is in its status before the first byte is encrypted, and `spec.source`
gets the digest, which makes it complete, last.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from simulacra_api.datasets.refit import records
from simulacra_api.http.problems import Problem
from simulacra_api.jobs.service import FIT
from simulacra_api.quotas.quota_usage import storage_full
from simulacra_api.tenancy.create import manifest
from simulacra_api.tenancy.idempotency import REQUEST_DIGEST, in_flight
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_api.uploads.schemas import UploadFields
from simulacra_api.uploads.upload_lease import ANNOTATION, STARTED, Lease, lease_value
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Object
from simulacra_crds.names import model_name
from simulacra_crds.tasks import EARLIER, STATED_DESCRIPTION
from simulacra_custody.artifact_writer import ArtifactWriter, StoredArtifact
from simulacra_custody.audit.event import Counts, EventType
from simulacra_custody.refs import ArtifactRef, ResourceRef

STATUS_ATTEMPTS = 10
_LOG = logging.getLogger("simulacra_api")
Fill = Callable[[ArtifactWriter], Awaitable[None]]
"""Writes an artifact's bytes."""


class UploadWriter:
    """Steps of an upload, of one caller: create the Dataset, store artifacts, complete it."""

    def __init__(self, repository: TenantRepository) -> None:
        self._repository = repository
        self._cluster = repository.cluster
        self._namespace = repository.namespace
        self._custody = repository.services.custody
        self._ledger = repository.services.quota_ledger
        self._tenant = repository.caller.tenant
        maximum = repository.services.settings.max_upload_bytes
        self._limit = min(self._tenant.spec.quotas.max_upload_bytes, maximum)

    async def _find(self, name: str) -> Object | None:
        return await self._cluster.find(kube.DATASETS, name, self._namespace)

    async def _room_for(self, name: str) -> int:
        """Return the bytes that a new upload may have; a retry of the Dataset `name` needs none.

        Raises:
            Problem: 402 or 429 when the tenant's quotas have no room for another upload.
        """
        try:
            used = await self._ledger.of(self._tenant)
            used.check_jobs(self._tenant.spec.quotas)
            return used.bytes_left(self._tenant.spec.quotas)
        except Problem:
            if await self._find(name) is None:
                raise
            return self._limit

    def _check_size(self, size: int, room: int) -> None:
        """Refuse more bytes than the limit of an upload (413) or the room in the quota (402)."""
        if size > self._limit:
            raise self._too_large()
        if size > room:
            raise storage_full(self._tenant.spec.quotas)

    def _too_large(self) -> Problem:
        detail = f"The file is larger than the limit of {self._limit} bytes. Upload a smaller one."
        return Problem("simio_file_too_large", detail)

    async def _create(self, name: str, fields: UploadFields, notes: dict[str, str]) -> Object:
        """Create the Dataset, incomplete and with a lease; AlreadyExists when the key was used."""
        annotations = {
            STARTED: datetime.now(UTC).isoformat(),
            ANNOTATION: lease_value(),
            REQUEST_DIGEST: fields.digest,
            **({FIT: json.dumps(fields.model_spec)} if fields.fit else {}),
        }
        spec: Object = {
            "retentionSeconds": fields.retention_seconds,
            "source": {"type": "Upload"},
            **({} if fields.fit else {"purpose": "Given"}),
            **({"weights": fields.weights} if fields.weights else {}),
            **({"hold": True} if fields.hold else {}),
            **({"keepSource": True} if fields.keep_source else {}),
        }
        if (content := fields.description_bytes) is not None:
            spec["tableDescription"] = {"sha256": hashlib.sha256(content).hexdigest()}
        if (earlier := fields.earlier_summary) is not None:
            spec["earlier"] = {"sha256": earlier.digest()}
        body = manifest(
            self._repository, kube.DATASETS, name, spec, annotations=annotations | notes
        )
        try:
            with self._ledger.counting(self._tenant, kube.DATASETS, body):
                return await self._cluster.create(kube.DATASETS, body, self._namespace)
        except kube.NotFound:
            raise Problem("simio_tenant_not_ready") from None

    async def _ensure_model(self, dataset: Object, fields: UploadFields) -> None:
        """Create the Dataset's Model unless it exists, or its rows are given."""
        if not fields.fit:
            return
        dataset_name = dataset["metadata"]["name"]
        name = model_name(dataset_name)
        known = fields.knowledge
        spec: Object = {
            "datasetRef": {"name": dataset_name},
            "retentionSeconds": fields.retention_seconds,
            **fields.model_spec,
        }
        if known is not None:
            spec["knowledge"] = known.model_dump(by_alias=True)
            spec["stated"] = records(known, self._repository.caller.client_id, None)
        body = manifest(
            self._repository, kube.MODELS, name, spec, dataset=dataset_name, owner=dataset
        )
        try:
            await self._cluster.create(kube.MODELS, body, self._namespace)
        except kube.AlreadyExists:
            model = await self._cluster.find(kube.MODELS, name, self._namespace)
            owners = model["metadata"].get("ownerReferences", []) if model else []
            if dataset["metadata"]["uid"] not in {owner["uid"] for owner in owners}:
                reason = "The earlier resource of this Idempotency-Key is still being erased."
                raise in_flight(reason) from None

    async def _ensure_key(self, dataset: Object) -> str:
        """Return the Dataset's wrapped key, a new one if needed; its status has the only copy."""
        if kept := dataset.get("status", {}).get("wrappedKey"):
            return str(kept)
        name = dataset["metadata"]["name"]
        wrapped = await asyncio.to_thread(self._custody.new_resource_key, self._ref(dataset))
        for _ in range(STATUS_ATTEMPTS):
            current = await self._cluster.get(kube.DATASETS, name, self._namespace)
            if current["metadata"]["uid"] != dataset["metadata"]["uid"]:
                break
            if kept := current.get("status", {}).get("wrappedKey"):
                return str(kept)
            version = {"resourceVersion": current["metadata"]["resourceVersion"]}
            patch = {"metadata": version, "status": {"wrappedKey": wrapped}}
            try:
                await self._cluster.patch(
                    kube.DATASETS, name, patch, self._namespace, subresource="status"
                )
            except kube.Conflict:  # the operator wrote in between
                continue
            return wrapped
        raise in_flight("The dataset changed while its upload began.")

    async def _store(self, ref: ArtifactRef, key: str, lease: Lease, fill: Fill) -> StoredArtifact:
        """Encrypt what `fill` writes into an artifact, all or nothing."""
        context = self._custody.open_writer(ref, key)
        writer = await asyncio.to_thread(context.__enter__)
        try:
            await fill(writer)
            # A writer that was silent for too long must not replace the bytes of its successor.
            await lease.renew()
            return await asyncio.to_thread(writer.commit)
        finally:
            await asyncio.shield(asyncio.to_thread(context.__exit__, None, None, None))

    async def _record(self, dataset: Object, stored: StoredArtifact) -> None:
        """Record that bytes of the upload were stored."""
        await self._repository.record(
            EventType.ARTEFACT_WRITTEN,
            kind=kube.DATASETS.plural,
            uid=dataset["metadata"]["uid"],
            artefact=stored.name,
            sha256=stored.sha256,
            counts=Counts(bytes=stored.bytes),
        )

    async def _describe(self, dataset: Object, key: str, fields: UploadFields) -> None:
        """Store description and earlier waves, whose digests are in the spec. Safe to repeat."""
        earlier = fields.earlier_summary
        stated = {
            STATED_DESCRIPTION: fields.description_bytes,
            EARLIER: None if earlier is None else earlier.content(),
        }
        for name, content in stated.items():
            if content is not None:
                ref = self._ref(dataset).artifact(name)
                stored = await asyncio.to_thread(self._custody.write, ref, key, [content])
                await self._record(dataset, stored)

    async def _complete(self, lease: Lease, stored: StoredArtifact) -> Object:
        """Mark the Dataset's upload as complete, so that the operator starts to work on it."""
        values = {"sha256": stored.sha256, "bytes": stored.bytes}
        operations = [
            {"op": "add", "path": f"/spec/source/{name}", "value": value}
            for name, value in values.items()
        ]
        return await lease.complete(operations)

    async def _discard(self, dataset: Object, lease: Lease) -> None:
        """Delete a Dataset whose upload failed, unless another request has taken it over."""
        name, uid = dataset["metadata"]["name"], dataset["metadata"]["uid"]
        try:
            await lease.renew()
            await self._cluster.delete(kube.DATASETS, name, self._namespace, uid=uid)
        except (Problem, kube.ClusterError) as error:
            # The lease becomes stale, and the operator abandons the upload.
            _LOG.warning("discarding a failed upload failed cause=%s", type(error).__name__)

    def _ref(self, dataset: Object) -> ResourceRef:
        name, uid = self._tenant.metadata.name, dataset["metadata"]["uid"]
        return ResourceRef(name, kube.DATASETS.plural, uid)

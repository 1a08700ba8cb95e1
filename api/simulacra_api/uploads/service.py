"""What both ways of an upload (in one request, in pieces) do with its Dataset.

The order makes every crash harmless: the Dataset (with its finalizer) exists before the first byte
is stored, the wrapped key is in its status before the first byte is encrypted, and `spec.source`
says "complete" last.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from simulacra_api.auth.caller import Caller
from simulacra_api.http.problems import Problem
from simulacra_api.jobs.service import FIT
from simulacra_api.quotas.quota_usage import storage_full
from simulacra_api.services import Services
from simulacra_api.tenancy.audit import record
from simulacra_api.tenancy.idempotency import REQUEST_DIGEST, in_flight
from simulacra_api.tenancy.object_metadata import metadata
from simulacra_api.uploads.upload_lease import ANNOTATION, STARTED, Lease, new_value
from simulacra_crds.contract.names import model_name
from simulacra_crds.kinds.base import API_VERSION
from simulacra_crds.kinds.model import DifferentialPrivacy, Knowledge
from simulacra_crds.kube.client import (
    DATASETS,
    MODELS,
    AlreadyExists,
    ClusterError,
    Conflict,
    Object,
)
from simulacra_custody.artifact_writer import StoredArtifact
from simulacra_custody.audit.event import Counts, EventType
from simulacra_custody.refs import ResourceRef

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

    @property
    def fit(self) -> Object:
        """How the model is asked to be fit, but for knowledge."""
        return {
            "family": self.family,
            **({"privacy": self.privacy.to_wire()} if self.privacy else {}),
        }


class UploadSteps:
    """The steps, for one caller."""

    def __init__(self, services: Services, caller: Caller) -> None:
        self._services, self._caller = services, caller

    async def room(self, name: str, limit: int) -> int:
        """Return the bytes that a new upload may have; a replay of the Dataset `name` needs no
        room, so `limit`.

        Raises:
            Problem: 402 or 429 when the tenant's quotas have no room for another upload.
        """
        tenant = self._caller.tenant
        try:
            used = await self._services.quota_ledger.of(tenant)
            used.check_jobs(tenant.spec.quotas)
            return used.bytes_left(tenant.spec.quotas)
        except Problem:
            if await self._services.cluster.find(DATASETS, name, self._caller.namespace) is None:
                raise
            return limit

    def check_size(self, size: int, limit: int, room: int) -> None:
        """Refuse more bytes than the limit of an upload (413) or than are left of the quota (402)."""
        if size > limit:
            raise too_large(limit)
        if size > room:
            raise storage_full(self._caller.tenant.spec.quotas)

    async def create(self, request: UploadRequest, annotations: dict[str, str]) -> Object:
        """Create the Dataset, incomplete and with a lease, unless it exists (`AlreadyExists`)."""
        known = {
            STARTED: datetime.now(UTC).isoformat(),
            ANNOTATION: new_value(),
            REQUEST_DIGEST: request.digest,
            FIT: json.dumps(request.fit),
        }
        body = {
            "apiVersion": API_VERSION,
            "kind": "Dataset",
            "metadata": metadata(
                request.name,
                self._caller.tenant_name,
                dataset=None,
                owner=None,
                annotations=known | annotations,
            ),
            "spec": {
                "retentionSeconds": request.retention_seconds,
                "source": {"type": "Upload"},
                **({"weights": request.weights} if request.weights else {}),
            },
        }
        with self._services.quota_ledger.counting(self._caller.tenant, DATASETS, body):
            return await self._services.cluster.create(DATASETS, body, self._caller.namespace)

    async def ensure_model(self, dataset: Object, request: UploadRequest) -> None:
        """Create the Dataset's Model unless it is there."""
        name, known = model_name(request.name), request.knowledge
        body = {
            "apiVersion": API_VERSION,
            "kind": "Model",
            "metadata": metadata(
                name, self._caller.tenant_name, dataset=request.name, owner=dataset, annotations={}
            ),
            "spec": {
                "datasetRef": {"name": request.name},
                "retentionSeconds": request.retention_seconds,
                **({"knowledge": known.model_dump(by_alias=True)} if known else {}),
                **request.fit,
            },
        }
        try:
            await self._services.cluster.create(MODELS, body, self._caller.namespace)
        except AlreadyExists:
            model = await self._services.cluster.find(MODELS, name, self._caller.namespace)
            owners = model["metadata"].get("ownerReferences", []) if model else []
            if dataset["metadata"]["uid"] not in {owner["uid"] for owner in owners}:
                raise in_flight("what this key made before is still being erased") from None

    async def ensure_key(self, dataset: Object) -> str:
        """Return the Dataset's wrapped key; make it when there is none. Its only copy is in the status."""
        if kept := dataset.get("status", {}).get("wrappedKey"):
            return str(kept)
        name, namespace = dataset["metadata"]["name"], self._caller.namespace
        wrapped = await asyncio.to_thread(
            self._services.custody.new_resource_key, self.ref(dataset)
        )
        for _ in range(STATUS_ATTEMPTS):
            current = await self._services.cluster.get(DATASETS, name, namespace)
            if current["metadata"]["uid"] != dataset["metadata"]["uid"]:
                break
            if kept := current.get("status", {}).get("wrappedKey"):
                return str(kept)
            version = current["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version}, "status": {"wrappedKey": wrapped}}
            try:
                await self._services.cluster.patch(
                    DATASETS, name, patch, namespace, subresource="status"
                )
            except Conflict:  # the operator wrote in between
                continue
            return wrapped
        raise in_flight("the dataset changed while its upload began")

    async def record(self, dataset: Object, stored: StoredArtifact) -> None:
        """Record that bytes of the upload were stored."""
        data = self._caller.audit_data(
            kind=DATASETS.plural,
            uid=dataset["metadata"]["uid"],
            artefact=stored.name,
            sha256=stored.sha256,
            counts=Counts(bytes=stored.bytes),
        )
        await record(self._services.audit, EventType.ARTEFACT_WRITTEN, data)

    async def complete(self, lease: Lease, stored: StoredArtifact) -> Object:
        """Say in the Dataset that its bytes are whole; the operator begins to work on it."""
        return await lease.complete(
            [
                {"op": "add", "path": "/spec/source/sha256", "value": stored.sha256},
                {"op": "add", "path": "/spec/source/bytes", "value": stored.bytes},
            ]
        )

    def forget_use(self) -> None:
        """Read anew what the tenant uses: an upload of a size that nobody announced is complete."""
        self._services.quota_ledger.forget(self._caller.tenant)

    async def discard(self, dataset: Object, lease: Lease) -> None:
        """Delete a Dataset whose upload failed, unless somebody else has taken it over; its finalizer erases."""
        name, uid = dataset["metadata"]["name"], dataset["metadata"]["uid"]
        try:
            await lease.renew()
            await self._services.cluster.delete(DATASETS, name, self._caller.namespace, uid=uid)
        except (
            Problem,
            ClusterError,
        ) as error:  # then the lease goes stale, and the operator gives the upload up
            _LOG.warning("a failed upload could not be discarded: %s", type(error).__name__)

    def ref(self, dataset: Object) -> ResourceRef:
        """Return the custody name of a Dataset."""
        return ResourceRef(self._caller.tenant_name, DATASETS.plural, dataset["metadata"]["uid"])


def too_large(limit: int) -> Problem:
    """Return the 413 that names the limit."""
    return Problem(
        "simio_file_too_large",
        f"The file is above the limit of {limit} bytes: upload a smaller one",
    )

"""The caller's own resources and their artifacts; others' and unknown ones are the same 404."""

import asyncio
import json
import re
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic.alias_generators import to_snake

from simulacra_api.http.field_types import Status
from simulacra_api.http.problems import Problem
from simulacra_api.services import Services
from simulacra_api.settings import MAX_ARTIFACT_BYTES
from simulacra_api.tenancy.caller import Caller
from simulacra_api.tenancy.reads import Read
from simulacra_crds.kinds.base import ANNOTATION_CANCELLED, NAME_PATTERN, Phase, WorkResource
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import CUSTOM, Cluster
from simulacra_crds.names import job_id, model_name
from simulacra_crds.registry import BY_KIND
from simulacra_crds.tasks import FAILURE, PROGRESS, SCHEMA, Failure, ProgressReport
from simulacra_custody.audit.event import Counts, EventType
from simulacra_custody.errors import ArtifactMissing, CustodyError
from simulacra_custody.refs import ResourceRef
from simulacra_schema.table import TableSchema

R = TypeVar("R", bound=WorkResource)
B = TypeVar("B", bound=BaseModel)
CANCELLED = ANNOTATION_CANCELLED
"""Annotation: when the customer cancelled the job. It counts as failed, however its Job ends."""
_STATUSES: dict[str | None, Status] = {
    Phase.RUNNING: "running",
    Phase.HELD: "held",
    Phase.READY: "ready",
    Phase.PARTIAL: "partial",
    Phase.FAILED: "failed",
}
SPEC = "spec"
"""Name in audit records of what a client has stated: knowledge, or a question."""
CELL = "where"
_NAME = re.compile(NAME_PATTERN)


def status_of(resource: WorkResource) -> Status:
    """Return the REST word for a resource's phase; every waiting phase is queued."""
    if is_cancelled(resource):
        return "failed"
    return _STATUSES.get(resource.status.phase, "queued")


def is_cancelled(resource: WorkResource) -> bool:
    """Return whether the customer has cancelled the job of this resource."""
    return CANCELLED in resource.metadata.annotations


def is_deleting(resource: WorkResource) -> bool:
    """Return whether the resource is being erased."""
    return resource.metadata.deletion_timestamp is not None


@dataclass(frozen=True)
class TenantRepository:
    """What one caller may see and do; `reads` is what was opened for the answer so far."""

    services: Services
    caller: Caller
    reads: list[Read] = field(default_factory=list)

    @property
    def cluster(self) -> Cluster:
        """The control plane."""
        return self.services.cluster

    @property
    def namespace(self) -> str:
        """The tenant's namespace."""
        return self.caller.namespace

    def url(self, path: str) -> str:
        """Return the public URL of a path."""
        return self.services.settings.public_url + path

    async def record(self, event: EventType, **fields: Any) -> None:
        """Append an audit record of this caller; AuditUnavailable (503) means: do not act."""
        await self.services.record(event, self.caller.audit_data(**fields))

    async def record_reads(self) -> None:
        """Put what was opened on record; AuditUnavailable (503) means: do not send the answer."""
        if self.reads:
            opened, self.reads[:] = [*self.reads], []
            await self.services.reads.record(self.caller.audit_data(), opened)

    async def dataset(
        self, dataset_id: str, *, deleting: bool = False, fresh: bool = False
    ) -> Dataset:
        """Return a dataset; 404 when there is none.

        With `deleting`, return it also while it is being erased; with `fresh`, bypass the cache,
        because the caller is about to change it.
        """
        return await self.get(Dataset, dataset_id, deleting=deleting, fresh=fresh)

    async def get(
        self, kind: type[R], name: str, *, deleting: bool = False, fresh: bool = False
    ) -> R:
        """Return a resource of this kind; arguments and 404 as for datasets."""
        found = await self.find(kind, name, fresh=fresh)
        if found is None or (is_deleting(found) and not deleting):
            raise Problem(f"simio_{BY_KIND[kind.__name__].noun}_not_found")
        return found

    async def model_of(self, dataset: Dataset) -> Model | None:
        """Return the model that is fit on a dataset by default, None when it was deleted."""
        return await self.find(Model, model_name(dataset.metadata.name))

    async def find(self, kind: type[R], name: str, *, fresh: bool = False) -> R | None:
        """Return a resource of the caller's tenant, None when there is none of that name."""
        if not _NAME.fullmatch(name):
            return None
        return await self.services.cache.find(kind, name, self.namespace, fresh=fresh)

    async def all_of(self, kind: type[R]) -> list[R]:
        """Return all resources of a kind."""
        found: list[R] = []
        async for item in self.cluster.list(CUSTOM[kind.__name__], self.namespace):
            resource = kind.model_validate(item)
            assert isinstance(resource, kind)
            found.append(resource)
        return found

    async def schema_of(self, dataset: Dataset) -> TableSchema:
        """Return the cleaned schema of a dataset; 409 while there is none."""
        self.check_purpose(dataset)
        content = await self.read_when_ready(dataset, dataset, SCHEMA)
        return TableSchema.model_validate_json(content)

    @staticmethod
    def check_purpose(dataset: Dataset) -> None:
        """Refuse (409) a request for a model or its schema where the rows are given."""
        if dataset.spec.purpose == "Given":
            raise Problem("simio_given_rows")

    async def read_of_model(self, dataset: Dataset, artifact: str) -> bytes:
        """Return an artifact of a dataset's model; 409 until it is ready and when it failed."""
        self.check_purpose(dataset)
        model = await self.model_of(dataset)
        if model is None:
            detail = "The dataset has no model. PUT its knowledge to fit one, or upload again."
            raise Problem("simio_dataset_failed", detail)
        return await self.read_when_ready(dataset, model, artifact)

    async def read_when_ready(
        self, dataset: Dataset, resource: Dataset | Model, artifact: str
    ) -> bytes:
        """Return an artifact of a dataset or its model; 409 until it is ready or held."""
        status = status_of(resource)
        if status == "failed":
            raise Problem("simio_cancelled" if is_cancelled(resource) else "simio_dataset_failed")
        if status not in ("ready", "held"):
            detail = (
                f"The dataset is not ready yet. Poll {job_id(dataset.metadata.name, dataset.kind)}."
            )
            raise Problem("simio_dataset_not_ready", detail, headers={"Retry-After": "2"})
        return await self.read(resource, artifact)

    async def read(self, resource: WorkResource, artifact: str) -> bytes:
        """Return a small artifact for an answer, which is sent once the read is on record.

        Raises:
            As `open`.
        """
        content = await self.open(resource, artifact)
        self.reads.append(Read.of(resource, artifact, len(content)))
        return content

    async def open(self, resource: WorkResource, artifact: str) -> bytes:
        """Return a small artifact, decrypted, whose content is in no answer.

        Support access opens none (403).

        Raises:
            ArtifactMissing, ArtifactCorrupt, KeyUnavailable, StoreUnavailable: see custody.
        """
        if self.caller.support is not None:
            raise Problem("simio_support_refused")
        key = resource.status.wrapped_key
        if key is None:
            raise ArtifactMissing("the resource has no data key yet")
        ref = self.ref(resource).artifact(artifact)
        read = self.services.custody.read_bytes
        return await asyncio.to_thread(read, ref, key, limit=MAX_ARTIFACT_BYTES)

    async def read_json(self, resource: WorkResource, artifact: str) -> dict[str, Any]:
        """Return a JSON artifact with its keys in snake case; errors as `read`."""
        return dict(snake_case(json.loads(await self.read(resource, artifact))))

    async def failure(self, resource: WorkResource) -> Failure | None:
        """Return what the customer may know about a failed job, None when nothing was written."""
        return await _if_there(self.read(resource, FAILURE), Failure)

    async def progress(self, resource: WorkResource) -> ProgressReport | None:
        """Return the progress of a running job, None before its first report."""
        return await _if_there(self.open(resource, PROGRESS), ProgressReport)

    def read_spec(self, resource: WorkResource, size: int) -> None:
        """Note that the answer repeats what the spec states, which names columns and levels."""
        self.reads.append(Read.of(resource, SPEC, size))

    def read_list(self, kind: type[WorkResource], items: int) -> None:
        """Note that the answer is a list with what the specs of this many resources state."""
        self.reads.append(Read(kind.PLURAL, None, SPEC, Counts(objects=items)))

    def ref(self, resource: WorkResource) -> ResourceRef:
        """Return the custody name of a resource."""
        return ResourceRef(self.caller.tenant_name, type(resource).PLURAL, resource.metadata.uid)


async def _if_there(reading: Awaitable[bytes], model: type[B]) -> B | None:
    """Read an optional part of an answer: its absence or a store fault is no error.

    Nor is support access, which opens none.
    """
    try:
        return model.model_validate_json(await reading)
    except (CustodyError, ValueError, Problem):
        return None


def snake_case(value: Any) -> Any:
    """Rename the keys of an artifact from camelCase, but not column names: the keys of a cell."""
    if isinstance(value, dict):
        return {
            to_snake(key): item if key == CELL else snake_case(item) for key, item in value.items()
        }
    return [snake_case(item) for item in value] if isinstance(value, list) else value

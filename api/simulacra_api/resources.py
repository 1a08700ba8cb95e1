"""The caller's own resources and their artefacts; somebody else's and unknown ones are the same 404."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import BaseModel

from simulacra_api.auth.caller import Caller
from simulacra_api.problems import Problem
from simulacra_api.services import Services
from simulacra_api.settings import MAX_ARTEFACT_BYTES
from simulacra_crds.base import NAME_PATTERN, Phase, Resource
from simulacra_crds.cluster import DATASETS, GENERATION_JOBS, MODELS, ApiResource
from simulacra_crds.dataset import Dataset
from simulacra_crds.generation_job import GenerationJob
from simulacra_crds.model import Model
from simulacra_crds.names import model_name
from simulacra_crds.tasks import FAILURE, PROGRESS, Failure, ProgressReport
from simulacra_custody.context import ResourceRef
from simulacra_custody.errors import ArtefactMissing, CustodyError

Work = Dataset | Model | GenerationJob
Status = Literal["queued", "running", "ready", "partial", "failed"]
R = TypeVar("R", Dataset, Model, GenerationJob)
B = TypeVar("B", bound=BaseModel)
_PLURALS: dict[type[Resource], ApiResource] = {Dataset: DATASETS, Model: MODELS, GenerationJob: GENERATION_JOBS}
_STATUSES: dict[str | None, Status] = {
    Phase.RUNNING: "running",
    Phase.READY: "ready",
    Phase.PARTIAL: "partial",
    Phase.FAILED: "failed",
}
_NAME = re.compile(NAME_PATTERN)


def status_of(work: Work) -> Status:
    """Return the REST word for a resource's phase; whatever waits is queued."""
    return _STATUSES.get(work.status.phase, "queued")


def is_deleting(work: Work) -> bool:
    """Return whether the resource is being erased."""
    return work.metadata.deletion_timestamp is not None


@dataclass(frozen=True)
class Library:
    """What one caller may see."""

    rooms: Services
    caller: Caller

    async def dataset(self, dataset_id: str, *, deleting: bool = False) -> Dataset:
        """Return a dataset; 404 for what is not there and, unless asked for, for what is being erased."""
        return self._present(await self._find(Dataset, dataset_id), "simio_dataset_not_found", deleting)

    async def generation(self, generation_id: str, *, deleting: bool = False) -> GenerationJob:
        """Return a generation; 404 as for datasets."""
        return self._present(await self._find(GenerationJob, generation_id), "simio_generation_not_found", deleting)

    async def model_of(self, dataset: Dataset) -> Model | None:
        """Return the model that is fit on a dataset by default, None when it was deleted."""
        return await self._find(Model, model_name(dataset.metadata.name))

    async def all_of(self, kind: type[R]) -> list[R]:
        """Return all resources of a kind."""
        listed = self.rooms.cluster.list(_PLURALS[kind], self.caller.namespace)
        return [kind.model_validate(item) async for item in listed]

    async def read(self, work: Work, artefact: str) -> bytes:
        """Return a small artefact, decrypted.

        Raises:
            ArtefactMissing, ArtefactCorrupt, KeyUnavailable, StoreUnavailable: see custody.
        """
        if work.status.wrapped_key is None:
            raise ArtefactMissing("the resource has no data key yet")
        ref = self.ref(work).artefact(artefact)
        read = self.rooms.custody.read_bytes
        return await asyncio.to_thread(read, ref, work.status.wrapped_key, limit=MAX_ARTEFACT_BYTES)

    async def failure(self, work: Work) -> Failure | None:
        """Return what the customer may know about a failed work, None when nothing was written."""
        return await self._read_if_there(work, FAILURE, Failure)

    async def progress(self, work: Work) -> ProgressReport | None:
        """Return how far a running work is, None when it has not said so."""
        return await self._read_if_there(work, PROGRESS, ProgressReport)

    def ref(self, work: Work) -> ResourceRef:
        """Return the custody name of a resource."""
        return ResourceRef(self.caller.tenant_name, _PLURALS[type(work)].plural, work.metadata.uid)

    async def _read_if_there(self, work: Work, artefact: str, model: type[B]) -> B | None:
        """Read something that only embellishes an answer: its absence or a fault of the store is no error."""
        try:
            return model.model_validate_json(await self.read(work, artefact))
        except (CustodyError, ValueError):
            return None

    async def _find(self, kind: type[R], name: str) -> R | None:
        if not _NAME.fullmatch(name):
            return None
        found = await self.rooms.cluster.find(_PLURALS[kind], name, self.caller.namespace)
        return kind.model_validate(found) if found else None

    @staticmethod
    def _present(found: R | None, code: str, deleting: bool) -> R:
        if found is None or (is_deleting(found) and not deleting):
            raise Problem(code)
        return found

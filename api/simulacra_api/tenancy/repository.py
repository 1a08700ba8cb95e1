"""The caller's own resources and their artifacts; somebody else's and unknown ones are the same 404."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import BaseModel

from simulacra_api.auth.caller import Caller
from simulacra_api.http.problems import Problem
from simulacra_api.services import Services
from simulacra_api.settings import MAX_ARTIFACT_BYTES
from simulacra_crds.contract.names import model_name
from simulacra_crds.contract.tasks import FAILURE, PROGRESS, Failure, ProgressReport
from simulacra_crds.kinds.base import ANNOTATION_CANCELLED, NAME_PATTERN, Phase
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import CUSTOM
from simulacra_custody.errors import ArtifactMissing, CustodyError
from simulacra_custody.refs import ResourceRef

Work = Dataset | Model | GenerationJob | EffectEstimate
Status = Literal["queued", "running", "ready", "partial", "failed"]
R = TypeVar("R", bound=Work)
B = TypeVar("B", bound=BaseModel)
CANCELLED = ANNOTATION_CANCELLED
"""Annotation: when the customer gave the work up. It counts as failed from then on, whatever becomes of its Job."""
_STATUSES: dict[str | None, Status] = {
    Phase.RUNNING: "running",
    Phase.READY: "ready",
    Phase.PARTIAL: "partial",
    Phase.FAILED: "failed",
}
_NAME = re.compile(NAME_PATTERN)


def status_of(work: Work) -> Status:
    """Return the REST word for a resource's phase; whatever waits is queued."""
    if is_cancelled(work):
        return "failed"
    return _STATUSES.get(work.status.phase, "queued")


def is_cancelled(work: Work) -> bool:
    """Return whether the customer has given the work up."""
    return CANCELLED in work.metadata.annotations


def is_deleting(work: Work) -> bool:
    """Return whether the resource is being erased."""
    return work.metadata.deletion_timestamp is not None


@dataclass(frozen=True)
class TenantRepository:
    """What one caller may see."""

    services: Services
    caller: Caller

    async def dataset(
        self, dataset_id: str, *, deleting: bool = False, fresh: bool = False
    ) -> Dataset:
        """Return a dataset; 404 for what is not there and, unless asked for, for what is being
        erased.

        Args:
            dataset_id: its id.
            deleting: also one that is being erased.
            fresh: read it now (see `cache`), for who is about to change it.
        """
        return self._present(
            await self.find(Dataset, dataset_id, fresh=fresh), "simio_dataset_not_found", deleting
        )

    async def generation(
        self, generation_id: str, *, deleting: bool = False, fresh: bool = False
    ) -> GenerationJob:
        """Return a generation; 404 as for datasets."""
        found = await self.find(GenerationJob, generation_id, fresh=fresh)
        return self._present(found, "simio_generation_not_found", deleting)

    async def effect(
        self, effect_id: str, *, deleting: bool = False, fresh: bool = False
    ) -> EffectEstimate:
        """Return an effect estimate; 404 as for datasets."""
        found = await self.find(EffectEstimate, effect_id, fresh=fresh)
        return self._present(found, "simio_effect_not_found", deleting)

    async def model_of(self, dataset: Dataset) -> Model | None:
        """Return the model that is fit on a dataset by default, None when it was deleted."""
        return await self.find(Model, model_name(dataset.metadata.name))

    async def find(self, kind: type[R], name: str, *, fresh: bool = False) -> R | None:
        """Return a resource of the caller's tenant, None when there is none of that name."""
        if not _NAME.fullmatch(name):
            return None
        return await self.services.cache.find(kind, name, self.caller.namespace, fresh=fresh)

    async def all_of(self, kind: type[R]) -> list[R]:
        """Return all resources of a kind."""
        listed = self.services.cluster.list(CUSTOM[kind.__name__], self.caller.namespace)
        found: list[R] = []
        async for item in listed:
            work = kind.model_validate(item)
            assert isinstance(work, kind)
            found.append(work)
        return found

    async def read(self, work: Work, artefact: str) -> bytes:
        """Return a small artifact, decrypted.

        Raises:
            ArtifactMissing, ArtifactCorrupt, KeyUnavailable, StoreUnavailable: see custody.
        """
        if work.status.wrapped_key is None:
            raise ArtifactMissing("the resource has no data key yet")
        ref = self.ref(work).artifact(artefact)
        read = self.services.custody.read_bytes
        return await asyncio.to_thread(read, ref, work.status.wrapped_key, limit=MAX_ARTIFACT_BYTES)

    async def failure(self, work: Work) -> Failure | None:
        """Return what the customer may know about a failed work, None when nothing was written."""
        return await self._read_if_there(work, FAILURE, Failure)

    async def progress(self, work: Work) -> ProgressReport | None:
        """Return how far a running work is, None when it has not said so."""
        return await self._read_if_there(work, PROGRESS, ProgressReport)

    def ref(self, work: Work) -> ResourceRef:
        """Return the custody name of a resource."""
        return ResourceRef(self.caller.tenant_name, type(work).PLURAL, work.metadata.uid)

    async def _read_if_there(self, work: Work, artefact: str, model: type[B]) -> B | None:
        """Read something that only embellishes an answer: its absence or a fault of the store is no error."""
        try:
            return model.model_validate_json(await self.read(work, artefact))
        except (CustodyError, ValueError):
            return None

    @staticmethod
    def _present(found: R | None, code: str, deleting: bool) -> R:
        if found is None or (is_deleting(found) and not deleting):
            raise Problem(code)
        return found

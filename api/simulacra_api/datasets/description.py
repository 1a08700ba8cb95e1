"""Description of a dataset: read it, and read the table again under another one.

Another description makes another table, so the model and everything made from it are erased first,
as for other knowledge (`datasets.refit`). Each step is safe to repeat: a request that broke off
leaves a dataset without a model, and the same request again goes on (ADR 0053).
"""

import asyncio
import hashlib
import json
from contextlib import suppress
from typing import Any

from simulacra_api.datasets.refit import create_model, erase_model, wait_for_erasure
from simulacra_api.datasets.service import is_source_kept
from simulacra_api.http.descriptions import check_description, salted_description
from simulacra_api.http.etags import entity_tag, lists
from simulacra_api.http.problems import Problem
from simulacra_api.tenancy.repository import TenantRepository, is_deleting, status_of
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import DATASETS, AlreadyExists, Conflict, Invalid, NotFound, Object
from simulacra_crds.names import model_name
from simulacra_crds.tasks import DESCRIPTION, STATED_DESCRIPTION
from simulacra_custody.artifact_writer import StoredArtifact
from simulacra_custody.audit.event import Counts, EventType
from simulacra_custody.errors import ArtifactMissing
from simulacra_schema.description import DescriptionInvalid, load_description
from simulacra_schema.questions.knowledge import Knowledge

KNOWLEDGE = "knowledge.json"
"""Artifact of a Dataset: the knowledge of its erased model, until the next one has it."""
CHANGE_ATTEMPTS = 10
_ERASED = (
    "The source of this dataset is erased, so it cannot be read again. Upload the table again "
    "with this description (simulacra refit DATASET --describe FILE --source TABLE)."
)


async def description_of(repository: TenantRepository, dataset: Dataset) -> bytes:
    """Return the completed description; 409 until the table was read, and when that failed."""
    repository.check_purpose(dataset)
    try:
        return await repository.read_when_ready(dataset, dataset, DESCRIPTION)
    except ArtifactMissing:  # read by an earlier release
        raise Problem("simio_source_erased", _ERASED) from None


async def describe(
    repository: TenantRepository, dataset: Dataset, document: Any, if_match: str | None
) -> None:
    """Read the table again under this description, and fit; the same one only confirms a hold.

    Raises:
        Problem: 422 for a malformed description, 412 when `if_match` is not its current entity tag,
            409 when the source is erased, or while the table is read or a model erased.
    """
    check_description(document)
    repository.check_purpose(dataset)
    status = status_of(dataset)
    if status in ("queued", "running"):
        raise Problem("simio_dataset_not_ready", headers={"Retry-After": "2"})
    current = None
    with suppress(Problem):
        current = await description_of(repository, dataset)
    if if_match is not None and (current is None or not lists(if_match, entity_tag(current))):
        raise Problem("simio_precondition_failed")
    if current is not None and document == json.loads(current):
        if dataset.spec.hold:
            await _change(repository, dataset, {"hold": False})
        await _ensure_model(repository, dataset)
        return
    if not is_source_kept(dataset):
        raise Problem("simio_source_erased", _ERASED)
    await _erase_model(repository, dataset)
    name = await _name_of(repository, dataset, current)
    key = (await repository.services.signing.current()).link_key
    content = salted_description(document, name, key, dataset.metadata.uid)
    await _store(repository, dataset, STATED_DESCRIPTION, content)
    described = {"sha256": hashlib.sha256(content).hexdigest(), "inline": None}
    await _change(repository, dataset, {"tableDescription": described, "hold": False})
    await _ensure_model(repository, dataset)


async def _name_of(
    repository: TenantRepository, dataset: Dataset, current: bytes | None
) -> str | None:
    """Return what the table is called: by its completed description, or by the last stated one."""
    with suppress(ArtifactMissing, DescriptionInvalid):
        known = current or await repository.read(dataset, STATED_DESCRIPTION)
        return load_description(known).name
    return None


async def _change(repository: TenantRepository, dataset: Dataset, spec: Object) -> None:
    """Change the Dataset; 412 when its description has changed since it was read."""
    name = dataset.metadata.name
    for _ in range(CHANGE_ATTEMPTS):
        found = await repository.dataset(name, fresh=True)
        if found.spec.table_description != dataset.spec.table_description:
            break
        metadata = {"resourceVersion": found.metadata.resource_version}
        patch: Object = {"metadata": metadata, "spec": spec}
        try:
            await repository.cluster.patch(DATASETS, name, patch, repository.namespace)
        except Conflict:  # the operator wrote in between
            continue
        except Invalid:  # the hold was released by another request
            raise Problem("simio_source_erased", _ERASED) from None
        except NotFound:
            raise Problem("simio_dataset_not_found") from None
        await repository.services.cache.settle()
        return
    raise Problem("simio_precondition_failed")


async def _erase_model(repository: TenantRepository, dataset: Dataset) -> None:
    """Erase the model unless it has not begun, keeping its knowledge for the next one."""
    model = await repository.find(Model, model_name(dataset.metadata.name), fresh=True)
    if model is None or (status_of(model) == "queued" and status_of(dataset) != "ready"):
        return
    if not is_deleting(model):
        tenant = repository.caller.tenant
        (await repository.services.quota_ledger.of(tenant)).check_jobs(tenant.spec.quotas)
        known = model.spec.knowledge.model_dump_json(by_alias=True).encode()
        await _store(repository, dataset, KNOWLEDGE, known)
        await erase_model(repository, dataset, model)
    await wait_for_erasure(repository, dataset)


async def _ensure_model(repository: TenantRepository, dataset: Dataset) -> None:
    """Create the dataset's model unless it exists."""
    model = await repository.find(Model, model_name(dataset.metadata.name), fresh=True)
    if model is not None and not is_deleting(model):
        return
    known = Knowledge()
    with suppress(ArtifactMissing):
        known = Knowledge.model_validate_json(await repository.read(dataset, KNOWLEDGE))
    await wait_for_erasure(repository, dataset)
    with suppress(AlreadyExists):
        await create_model(repository, dataset, known, None)
    await repository.services.cache.settle()


async def _store(repository: TenantRepository, dataset: Dataset, name: str, content: bytes) -> None:
    """Encrypt and record an artifact of the dataset."""
    ref = repository.ref(dataset).artifact(name)
    key = dataset.status.wrapped_key
    if key is None:
        raise Problem("simio_dataset_not_ready", headers={"Retry-After": "2"})
    write = repository.services.custody.write
    stored: StoredArtifact = await asyncio.to_thread(write, ref, key, [content])
    await repository.record(
        EventType.ARTEFACT_WRITTEN,
        kind=DATASETS.plural,
        uid=dataset.metadata.uid,
        artefact=stored.name,
        sha256=stored.sha256,
        counts=Counts(bytes=stored.bytes),
    )

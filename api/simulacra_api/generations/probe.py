"""A probe: a few rows at once, to see whether conditions can be met before a big job is asked for.

The API has no model in it, so a probe is a GenerationJob like any other, made under a name of its
own, waited for, read and deleted before the answer: the same parts, conditions and queue as the big
job. `docs/adr/0005` has the choice. One that is left behind (the process died) erases itself, since
its retention is a minute.
"""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import time
from contextlib import suppress
from datetime import date
from datetime import time as time_of_day
from typing import Any, Literal

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from simulacra_api.generations.schemas import attainment_of
from simulacra_api.generations.service import GenerationRequest, create_generation
from simulacra_api.http.field_types import FewRows, Seed, SetValue
from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.jobs.prefer_wait import TERMINAL
from simulacra_api.jobs.service import job_error
from simulacra_api.tenancy.audit import record
from simulacra_api.tenancy.repository import TenantRepository, status_of
from simulacra_crds.contract.tasks import part_name
from simulacra_crds.kinds.base import ColumnName
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.generation_job import ConditionSet, GenerationJob
from simulacra_crds.kube.client import GENERATION_JOBS, ClusterError
from simulacra_custody.audit.event import Counts, EventType

PREFIX = "probe-"
"""Names of probes; a tenant's lists leave them out."""
WAIT_SECONDS = 30.0
RETENTION_SECONDS = 60
_POLL_SECONDS = 0.1


class ProbeRequest(BaseModel):
    """What to sample."""

    model_config = ConfigDict(extra="forbid")

    row_count: FewRows = 20
    conditions: ConditionSet = Field(default_factory=ConditionSet)
    interventions: dict[ColumnName, SetValue] = Field(default_factory=dict, max_length=32)
    counterfactual: bool = Field(default=False, description="Rows in pairs, as a generation's.")
    seed: Seed | None = Field(default=None, description="Drawn when absent.")


class Feasibility(BaseModel):
    """How well the conditions can be met, and at what cost."""

    status: Literal["exact", "partial", "unconditioned"]
    effective_sample_size: float | None = Field(
        default=None,
        description="Of the rows that the model drew, how many the conditions leave, in effect.",
    )
    kl_nats: float | None = Field(
        default=None, description="How far the conditions are from what was learned."
    )


class ProbeBody(BaseModel):
    """A sample; it is not kept."""

    dataset_id: str
    row_count: int
    seed: int
    rows: list[dict[str, Any]]
    feasibility: Feasibility
    attainment: dict[str, Any] | None = None
    seconds: float = Field(description="How long it took.")


async def probe(repository: TenantRepository, dataset: Dataset, request: ProbeRequest) -> ProbeBody:
    """Return a sample.

    Raises:
        Problem: 400 for what does not fit the schema or cannot be met, 409 for a dataset that is
            not ready, 504 when the sample takes longer than `WAIT_SECONDS`.
    """
    if repository.caller.tenant.spec.encryption.key_arn is not None:
        raise Problem(
            "simio_customer_key",
            "A sample's rows would be under your own key; generate them instead.",
        )
    began, name = time.monotonic(), PREFIX + secrets.token_hex(12)
    asked = GenerationRequest(**dict(request), retention_seconds=RETENTION_SECONDS)
    await create_generation(repository, dataset, asked, name, digest="")
    try:
        generation = await _finished(repository, name)
        if status_of(generation) == "failed":
            error = await job_error(repository, generation)
            if error.pointer is not None and error.code == "simio_invalid_field":
                raise invalid_field(error.pointer, error.detail)
            raise Problem(error.code, error.detail)
        return await _body(repository, dataset, generation, began)
    finally:
        await asyncio.shield(_erase(repository, name))


async def _finished(repository: TenantRepository, name: str) -> GenerationJob:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = await repository.find(GenerationJob, name, fresh=True)
        if found is None:
            break
        if status_of(found) in TERMINAL:
            return found
        await asyncio.sleep(_POLL_SECONDS)
    detail = f"The sample was not ready within {WAIT_SECONDS:.0f} s: the machine is busy; try again, or ask for a job"
    raise Problem("simio_probe_timeout", detail, headers={"Retry-After": "5"})


async def _body(
    repository: TenantRepository, dataset: Dataset, generation: GenerationJob, began: float
) -> ProbeBody:
    content, attained = (
        await repository.read(generation, part_name(0)),
        await attainment_of(repository, generation),
    )
    rows = await asyncio.to_thread(_rows, content)
    data = repository.caller.audit_data(
        kind=GENERATION_JOBS.plural,
        uid=generation.metadata.uid,
        artefact="artifact",
        counts=Counts(rows=len(rows)),
    )
    await record(repository.services.audit, EventType.ARTEFACT_READ, data)
    figures = generation.status.attainment
    feasibility = Feasibility(status="unconditioned")
    if figures is not None:
        feasibility = Feasibility(
            status=figures.status,
            effective_sample_size=figures.effective_sample_size,
            kl_nats=figures.kl_nats,
        )
    return ProbeBody(
        dataset_id=dataset.metadata.name,
        row_count=len(rows),
        seed=generation.spec.seed,
        rows=rows,
        feasibility=feasibility,
        attainment=attained,
        seconds=round(time.monotonic() - began, 3),
    )


def _rows(content: bytes) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file as JSON values: dates in ISO 8601, missing values null."""
    table = pq.read_table(io.BytesIO(content))
    rows = json.loads(json.dumps(table.to_pylist(), default=_text), parse_constant=lambda _: None)
    return list(rows)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | time_of_day) else str(value)


async def _erase(repository: TenantRepository, name: str) -> None:
    """Delete the probe; its finalizer erases. If that fails, it expires within a minute."""
    with suppress(ClusterError):
        await repository.services.cluster.delete(GENERATION_JOBS, name, repository.caller.namespace)

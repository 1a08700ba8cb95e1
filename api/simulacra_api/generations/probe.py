"""Probes: a few rows at once, to check conditions before a large generation.

The API has no model, so a probe is a GenerationJob under its own name: created, polled, read and
deleted before the answer. Its parts, conditions and queue are those of a large generation
(`docs/adr/0005`). If the process dies, the probe expires: its retention is one minute.
"""

import asyncio
import json
import secrets
import time
from contextlib import suppress
from datetime import date
from datetime import time as time_of_day
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from simulacra_api.generations.schemas import (
    Feasibility,
    GenerationRequest,
    ProbeBody,
    ProbeRequest,
)
from simulacra_api.generations.service import (
    GENERATIONS,
    document_of,
    identification_of,
    record_read,
)
from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.jobs.schemas import TERMINAL
from simulacra_api.jobs.service import PROBE_PREFIX, job_error
from simulacra_api.tenancy.read_cache import poll
from simulacra_api.tenancy.repository import TenantRepository, status_of
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.kube.client import GENERATION_JOBS, ClusterError
from simulacra_crds.tasks import ATTAINMENT, part_name

WAIT_SECONDS = 30.0
RETENTION_SECONDS = 60
_POLL_SECONDS = 0.1


async def probe(repository: TenantRepository, dataset: Dataset, request: ProbeRequest) -> ProbeBody:
    """Return a sample.

    Raises:
        Problem: 400 if the request does not fit the schema or its conditions cannot be met, 409 for
            a dataset that is not ready or a tenant with its own key, 504 after `WAIT_SECONDS`.
    """
    if repository.caller.tenant.spec.encryption.key_arn is not None:
        detail = "The rows of a sample would be under your own key. POST a generation instead."
        raise Problem("simio_customer_key", detail)
    began = time.monotonic()
    name = PROBE_PREFIX + secrets.token_hex(12)
    wanted = GenerationRequest(**dict(request), evidence=False, retention_seconds=RETENTION_SECONDS)
    await GENERATIONS.create_named(repository, dataset, wanted, name, digest="")
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
    async def read() -> GenerationJob | None:
        return await repository.find(GenerationJob, name, fresh=True)

    async for found in poll(read, WAIT_SECONDS, first=_POLL_SECONDS, most=_POLL_SECONDS):
        if found is None:
            break
        if status_of(found) in TERMINAL:
            return found
    detail = (
        f"The sample was not ready within {WAIT_SECONDS:.0f} s. Try again, or POST a generation."
    )
    raise Problem("simio_probe_timeout", detail, headers={"Retry-After": "5"})


async def _body(
    repository: TenantRepository, dataset: Dataset, generation: GenerationJob, began: float
) -> ProbeBody:
    content = await repository.open(generation, part_name(0))
    attainment = await document_of(repository, generation, ATTAINMENT)
    rests_on = await identification_of(repository, generation) or {}
    rows = await asyncio.to_thread(_rows, content)
    await record_read(repository, generation.metadata.uid, len(rows))
    figures = generation.status.attainment
    feasibility = Feasibility(status="unconditioned")
    if figures is not None:
        feasibility = Feasibility.model_validate(figures, from_attributes=True)
    return ProbeBody(
        dataset_id=dataset.metadata.name,
        row_count=len(rows),
        seed=generation.spec.seed,
        rows=rows,
        feasibility=feasibility,
        attainment=attainment,
        verdict=rests_on.get("verdict"),
        assumption=rests_on.get("assumption"),
        warnings=rests_on.get("warnings", []),
        seconds=round(time.monotonic() - began, 3),
    )


def _rows(content: bytes) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file as JSON values: dates in ISO 8601, missing values null."""
    # Arrow's threads would take Python's lock to give the bytes back, also while the process ends.
    table = pq.read_table(pa.BufferReader(content), use_threads=False, pre_buffer=False)
    rows = json.loads(json.dumps(table.to_pylist(), default=_text), parse_constant=lambda _: None)
    return list(rows)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | time_of_day) else str(value)


async def _erase(repository: TenantRepository, name: str) -> None:
    """Delete the probe; its finalizer erases. If that fails, it expires within a minute."""
    with suppress(ClusterError):
        await repository.cluster.delete(GENERATION_JOBS, name, repository.namespace)

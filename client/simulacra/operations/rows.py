"""Generations: synthetic rows, asked for, sampled and downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx2

from simulacra import tables
from simulacra.documents import Generation, Json, Probe
from simulacra.operations.common import delete_at, get_one, new_key, pages
from simulacra.protocol import (
    AWAY_SECONDS,
    MAX_ATTEMPTS,
    RETRIED,
    Ask,
    Fetch,
    Local,
    Pause,
    Steps,
    ask,
    checked,
    pause_before,
)
from simulacra.sending import OnBytes
from simulacra.transfers import Partial

Format = Literal["parquet", "csv", "arrow"]


def generate(
    dataset_id: str,
    row_count: int,
    *,
    conditions: Json | None = None,
    interventions: Json | None = None,
    counterfactual: bool = False,
    seed: int | None = None,
    key: str | None = None,
) -> Steps[Generation]:
    """Ask for synthetic rows; returns `generation_id` and `job_id`. The same key twice is one request."""
    body = _asked(row_count, conditions, interventions, counterfactual, seed)
    path = f"/v1/datasets/{dataset_id}/generations"
    return Generation((yield from ask(Ask("POST", path, json=body, headers=new_key(key)))).json())


def probe(
    dataset_id: str,
    row_count: int = 20,
    *,
    conditions: Json | None = None,
    interventions: Json | None = None,
    counterfactual: bool = False,
    seed: int | None = None,
) -> Steps[Probe]:
    """Sample up to 100 rows at once: `rows`, and how feasible the conditions are. Nothing is kept."""
    body = _asked(row_count, conditions, interventions, counterfactual, seed)
    return Probe((yield from ask(Ask("POST", f"/v1/datasets/{dataset_id}/probe", json=body))).json())


def _asked(
    row_count: int, conditions: Json | None, interventions: Json | None, counterfactual: bool, seed: int | None
) -> Json:
    body: Json = {"row_count": row_count}
    body |= {"conditions": conditions} if conditions else {}
    body |= {"interventions": interventions} if interventions else {}
    body |= {"counterfactual": True} if counterfactual else {}
    return body | ({} if seed is None else {"seed": seed})


def generations(**filters: str) -> Steps[list[Generation]]:
    """List the tenant's generations, newest first. Filters: dataset_id, status."""
    return pages("/v1/generations", filters, Generation)


def generation(generation_id: str) -> Steps[Generation]:
    """Return one generation: status, attainment, and `artifact_url` once it has rows."""
    return get_one(f"/v1/generations/{generation_id}", Generation)


def download(
    generation_id: str, path: str | Path, file_format: Format = "parquet", *, on_bytes: OnBytes | None = None
) -> Steps[int]:
    """Stream a generation's rows to a file, whole or not at all; returns the bytes written.

    What has arrived of a stored file (Parquet in one part) is kept beside it as `PATH.ETAG.part`; the next call, in
    this process or another, asks for the rest. A digest that the service states is checked. A service that goes away
    meanwhile is waited for for two minutes.

    Args:
        generation_id: whose rows.
        path: the file; it is replaced.
        file_format: parquet, csv or arrow.
        on_bytes: told the bytes that have arrived and, where the service says so, their total.

    Raises:
        DownloadCorrupt: the digest differs.
    """
    into, failures, away = Partial(Path(path), on_bytes), 0, 0.0
    try:
        while True:
            before, error = into.size, None
            # A fresh link every time: they live for 15 minutes.
            link = yield from _link(generation_id, away)
            fetch, away = Fetch(link, {"format": file_format}, into.headers(), into), AWAY_SECONDS
            response: httpx2.Response | None = None
            try:
                response = yield fetch
            except httpx2.TransportError as broken:
                error = broken
            if response is not None and response.is_success:
                size: int = yield Local(into.finish)
                return size
            into.pause()
            if response is not None and response.status_code == 416:  # more has arrived than there is
                into.discard()
            failures = 0 if into.size > before else failures + 1
            if error is not None and failures >= MAX_ATTEMPTS:
                raise error
            if response is not None and (failures >= MAX_ATTEMPTS or response.status_code not in RETRIED | {416}):
                checked(response)
            yield Pause(pause_before(response, failures))
    finally:
        into.pause()


def _link(generation_id: str, away: float) -> Steps[str]:
    """Return the link to a generation's rows; a service that is away is waited for, for so many seconds."""
    found = Generation((yield from ask(Ask("GET", f"/v1/generations/{generation_id}"), away=away)).json())
    if found.artifact_url is None:
        where = "its rows are under your own key: see its artifacts" if found.get("artifacts") else "it has no rows yet"
        raise ValueError(f"{generation_id} is {found.status} and has no link: {where}")
    return found.artifact_url


def table(generation_id: str) -> Steps[Any]:
    """Return a generation's rows as a `pyarrow.Table`."""
    with tables.scratch() as path:
        yield from download(generation_id, path)
        return (yield Local(lambda: tables.read(path)))


def to_pandas(generation_id: str) -> Steps[Any]:
    """Return a generation's rows as a `pandas.DataFrame`."""
    rows = yield from table(generation_id)
    return (yield Local(lambda: tables.to_pandas(rows)))


def to_polars(generation_id: str) -> Steps[Any]:
    """Return a generation's rows as a `polars.DataFrame`."""
    rows = yield from table(generation_id)
    return (yield Local(lambda: tables.to_polars(rows)))


def delete_generation(generation_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete one generation and wait until it is gone."""
    return delete_at(f"/v1/generations/{generation_id}", timeout)

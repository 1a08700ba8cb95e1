"""Generations: synthetic rows, requested, sampled and downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx2

from simulacra import tables
from simulacra.core import (
    AWAY_SECONDS,
    MAX_ATTEMPTS,
    RETRIED,
    Download,
    LocalWork,
    Outcome,
    Pause,
    Request,
    Steps,
    pause_after,
    response_of,
    send,
    send_once,
)
from simulacra.download_io import Partial
from simulacra.models import Generation, Json, Probe
from simulacra.named_values import TWICE, Do, interventions_of
from simulacra.operations.datasets import schema
from simulacra.operations.resources import delete_at, get_all, get_one, given, start
from simulacra.upload_io import OnBytes

Format = Literal["parquet", "csv", "arrow", "sav", "xlsx"]
OUT_OF_RANGE = 416
"""The status for more bytes than the file has: the partial file is of something else."""


def generate(
    dataset_id: str,
    row_count: int | None = None,
    *,
    persons: int | None = None,
    conditions: Json | None = None,
    do: Do | None = None,
    interventions: Json | None = None,
    counterfactual: bool = False,
    evidence: bool = True,
    seed: int | None = None,
    key: str | None = None,
) -> Steps[Generation]:
    """Start to generate synthetic rows; return `generation_id` and `job_id`.

    `do` sets columns for everyone: {"price": 5.49}, or as the command line, "price=5.49", or
    several of these. It is checked against the schema before the request, and a name that is not
    known is answered with the nearest one. `interventions` is the same mapping, sent as it is.

    With `persons` instead of `row_count`, rows are linked: each synthetic person has a history.

    The last column of the rows, `evidence_weight`, says what each is worth in respondents; without
    `evidence` there is none. The same key twice is one request.
    """
    interventions = yield from _interventions(dataset_id, do, interventions)
    body = given(
        row_count=row_count,
        persons=persons,
        conditions=conditions,
        interventions=interventions,
        counterfactual=counterfactual,
        seed=seed,
    )
    body |= {} if evidence else {"evidence": False}
    return (yield from start(Generation, dataset_id, body, key))


def probe(
    dataset_id: str,
    row_count: int = 20,
    *,
    conditions: Json | None = None,
    do: Do | None = None,
    interventions: Json | None = None,
    counterfactual: bool = False,
    seed: int | None = None,
) -> Steps[Probe]:
    """Sample up to 100 rows at once, with the feasibility of the conditions. Nothing is stored.

    `do` is that of `generate`.
    """
    interventions = yield from _interventions(dataset_id, do, interventions)
    body = given(
        row_count=row_count,
        conditions=conditions,
        interventions=interventions,
        counterfactual=counterfactual,
        seed=seed,
    )
    path = f"/v1/datasets/{dataset_id}/probe"
    return Probe((yield from send(Request("POST", path, json=body))).json())


def _interventions(
    dataset_id: str, do: Do | None, interventions: Json | None
) -> Steps[Json | None]:
    """Return the interventions of a request, those of `do` checked against the schema."""
    if do is None:
        return interventions
    if interventions is not None:
        raise ValueError(TWICE)
    return interventions_of(do, (yield from schema(dataset_id)))


def generations(**filters: str) -> Steps[list[Generation]]:
    """List the tenant's generations, newest first. Filters: dataset_id, status."""
    return get_all("/v1/generations", filters, Generation)


def generation(generation_id: str) -> Steps[Generation]:
    """Return one generation: status, attainment, and `artifact_url` once it has rows."""
    return get_one(f"/v1/generations/{generation_id}", Generation)


def download(
    generation_id: str,
    path: str | Path,
    file_format: Format = "parquet",
    *,
    safe: bool = False,
    plain: bool = False,
    on_bytes: OnBytes | None = None,
) -> Steps[int]:
    """Download a generation's rows to a file, complete or not at all; return its bytes.

    The received part of a stored file (Parquet in one part) is kept in the same folder as
    `PATH.ETAG.part`. The next call, in this process or another, requests the rest. The digest of
    the service is checked. If the service goes away during the download, the client waits for two
    minutes.

    Args:
        generation_id: whose rows.
        path: the file; an existing one is replaced.
        file_format: parquet, csv, arrow, sav (SPSS) or xlsx (Excel).
        safe: CSV only: put a single quote before texts that a spreadsheet would run as a formula.
        plain: CSV only: commas, decimal points and ISO dates, whatever the upload had.
        on_bytes: called with the received bytes and, if the service states it, their total.

    Raises:
        DownloadCorrupt: the digest differs.
    """
    partial = Partial(Path(path), on_bytes)
    flags = {"safe": safe, "plain": plain}
    query = {"format": file_format} | {name: "true" for name, on in flags.items() if on}
    failures = 0
    away = 0.0
    try:
        while True:
            before = partial.size
            # A fresh link for each try: links live for 15 minutes.
            link = yield from _link(generation_id, away)
            away = AWAY_SECONDS
            outcome = yield from send_once(Download(link, query, partial.headers(), partial))
            if isinstance(outcome, httpx2.Response) and outcome.is_success:
                size: int = yield LocalWork(partial.finish)
                return size
            partial.pause()
            if _status(outcome) == OUT_OF_RANGE:
                partial.discard()
            failures = 0 if partial.size > before else failures + 1
            if failures >= MAX_ATTEMPTS or not _may_resume(outcome):
                response_of(outcome)
            yield Pause(pause_after(outcome, failures))
    finally:
        partial.pause()


def _status(outcome: Outcome) -> int | None:
    return outcome.status_code if isinstance(outcome, httpx2.Response) else None


def _may_resume(outcome: Outcome) -> bool:
    return isinstance(outcome, httpx2.TransportError) or _status(outcome) in RETRIED | {
        OUT_OF_RANGE
    }


def _link(generation_id: str, away: float) -> Steps[str]:
    """Return the link to a generation's rows; wait up to `away` seconds for an absent service."""
    request = Request("GET", f"/v1/generations/{generation_id}")
    found = Generation((yield from send(request, away=away)).json())
    if found.artifact_url is None:
        why = "it has no rows yet"
        if found.get("artifacts"):
            why = "its rows are encrypted with your own key: see its artifacts"
        raise ValueError(f"{generation_id} is {found.status} and has no link: {why}")
    return found.artifact_url


def table(generation_id: str) -> Steps[Any]:
    """Return a generation's rows as a `pyarrow.Table`."""
    with tables.temporary_file() as path:
        yield from download(generation_id, path)
        return (yield LocalWork(lambda: tables.read(path)))


def to_pandas(generation_id: str) -> Steps[Any]:
    """Return a generation's rows as a `pandas.DataFrame`."""
    rows = yield from table(generation_id)
    return (yield LocalWork(lambda: tables.to_pandas(rows)))


def to_polars(generation_id: str) -> Steps[Any]:
    """Return a generation's rows as a `polars.DataFrame`."""
    rows = yield from table(generation_id)
    return (yield LocalWork(lambda: tables.to_polars(rows)))


def delete_generation(generation_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete one generation and wait until it is erased."""
    return delete_at(f"/v1/generations/{generation_id}", timeout)

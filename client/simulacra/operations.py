"""The steps of the main job, one function a step, for both clients. Bodies are as the REST contract writes them."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx

from simulacra import tables
from simulacra.documents import (
    Dataset,
    Document,
    Effect,
    Generation,
    Graph,
    Job,
    Json,
    Probe,
    Report,
    Schema,
    Upload,
    Usage,
)
from simulacra.errors import ApiError, JobFailed
from simulacra.protocol import MAX_ATTEMPTS, RETRIED, Ask, Fetch, Pause, Steps, ask, checked, pause_before
from simulacra.transfers import Partial

Format = Literal["parquet", "csv", "arrow"]
_KINDS = {"ds-": "datasets", "gen-": "generations", "eff-": "effects", "job-": "jobs"}
_DOCUMENTS: dict[str, type[Document]] = {"ds-": Dataset, "gen-": Generation, "eff-": Effect, "job-": Job}
TERMINAL = frozenset({"ready", "partial", "failed"})
D = TypeVar("D", bound=Document)


def upload(
    source: str | Path | tables.Frame,
    *,
    retention_seconds: int | None = None,
    family: str | None = None,
    knowledge: Json | None = None,
    weights: str | None = None,
    epsilon: float | None = None,
    delta: float | None = None,
    key: str | None = None,
) -> Steps[Upload]:
    """Upload a seed table: a file, or a pandas, polars or Arrow table. The same key twice is one upload.

    An upload whose connection breaks is sent again under its key; give the key of an interrupted process to go on.

    Args:
        source: path of a file (CSV, Parquet, Arrow, .xlsx, .sav), or anything with Arrow's `__arrow_c_stream__`.
        retention_seconds: 24 hours by default, 7 days at most.
        family: forest, neural or auto.
        knowledge: what is known of causes: {"tiers": [[column]], "required": [{"source": column, "target": column}],
            "forbidden": [...]}.
        weights: name of the column of survey weights; the model stands for the weighted population.
        epsilon: differential privacy of the model; not together with weights.
        delta: of epsilon; 1e-6 when absent.
        key: Idempotency-Key; a new one when absent.
    """
    form = {} if retention_seconds is None else {"retention_seconds": str(retention_seconds)}
    form |= {} if family is None else {"family": family}
    form |= {} if knowledge is None else {"knowledge": json.dumps(knowledge)}
    form |= {} if weights is None else {"weights": weights}
    form |= {} if epsilon is None else {"epsilon": repr(epsilon)}
    form |= {} if delta is None else {"delta": repr(delta)}
    with tables.as_file(source) as path:
        return Upload((yield from ask(Ask("POST", "/v1/datasets", form=form, file=path, headers=_key(key)))).json())


def datasets(**filters: str) -> Steps[list[Dataset]]:
    """List the tenant's datasets, newest first. Filters: status."""
    return _pages("/v1/datasets", filters, Dataset)


def generations(**filters: str) -> Steps[list[Generation]]:
    """List the tenant's generations, newest first. Filters: dataset_id, status."""
    return _pages("/v1/generations", filters, Generation)


def jobs(**filters: str) -> Steps[list[Job]]:
    """List the tenant's jobs, newest first. Filters: kind, status, dataset_id."""
    return _pages("/v1/jobs", filters, Job)


def effects(**filters: str) -> Steps[list[Effect]]:
    """List the tenant's effect estimates, newest first. Filters: dataset_id, status."""
    return _pages("/v1/effects", filters, Effect)


def audit_events(**filters: str) -> Steps[list[Document]]:
    """List who did what to the tenant's data, newest first. Filters: type."""
    return _pages("/v1/audit-events", filters, Document)


def usage() -> Steps[Usage]:
    """Return what is used of the quotas."""
    return _get("/v1/usage", Usage)


def dataset(dataset_id: str) -> Steps[Dataset]:
    """Return one dataset: status, rows, columns, expiry."""
    return _get(f"/v1/datasets/{dataset_id}", Dataset)


def get(resource_id: str) -> Steps[Document]:
    """Return a dataset, a generation, an effect estimate or a job, told by its id."""
    path = _path(resource_id, tuple(_KINDS))
    kind = next(found for prefix, found in _DOCUMENTS.items() if resource_id.startswith(prefix))
    return _get(path, kind)


def schema(dataset_id: str) -> Steps[Schema]:
    """Return the cleaned schema: what conditions are written against."""
    return _get(f"/v1/datasets/{dataset_id}/schema", Schema)


def report(resource_id: str) -> Steps[Report]:
    """Return the fidelity and privacy report of a dataset's model, or of a generation (with asked and attained)."""
    return _get(f"{_path(resource_id, ('ds-', 'gen-'))}/report", Report)


def report_page(resource_id: str) -> Steps[str]:
    """Return the same report as one HTML page that stands by itself."""
    path = f"{_path(resource_id, ('ds-', 'gen-'))}/report"
    return (yield from ask(Ask("GET", path, headers={"Accept": "text/html"}))).text


def graph(dataset_id: str) -> Steps[Graph]:
    """Return the learned causal graph of the dataset's model."""
    return _get(f"/v1/datasets/{dataset_id}/graph", Graph)


def knowledge(dataset_id: str) -> Steps[Document]:
    """Return what the dataset's model was told of causes: tiers, required and forbidden edges."""
    return _get(f"/v1/datasets/{dataset_id}/knowledge", Document)


def refit(dataset_id: str, knowledge: Json, *, timeout: float = 120.0) -> Steps[Job]:
    """State what is known of causes (as in `upload`) and fit the model anew; returns the job to wait for.

    The model before is erased with all that was generated and estimated from it. The same knowledge changes nothing.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return Job((yield from ask(Ask("PUT", f"/v1/datasets/{dataset_id}/knowledge", json=knowledge))).json())
        except ApiError as error:
            if error.code != "simio_model_in_flight" or time.monotonic() > deadline:
                raise
        yield Pause(1.0)


def extend(dataset_id: str, retention_seconds: int) -> Steps[Dataset]:
    """Set the retention of a dataset and its model, counted from creation."""
    body = {"retention_seconds": retention_seconds}
    return Dataset((yield from ask(Ask("PATCH", f"/v1/datasets/{dataset_id}", json=body))).json())


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
    return Generation((yield from ask(Ask("POST", path, json=body, headers=_key(key)))).json())


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


def estimate(
    dataset_id: str,
    *,
    treatment: str,
    value: float | str,
    baseline: float | str,
    outcome: str,
    outcome_level: str | None = None,
    segment: str | None = None,
    key: str | None = None,
) -> Steps[Effect]:
    """Ask for E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)]; returns effect_id, job_id."""
    body: Json = {"treatment": treatment, "value": value, "baseline": baseline, "outcome": outcome}
    body |= {} if outcome_level is None else {"outcome_level": outcome_level}
    body |= {} if segment is None else {"segment": segment}
    path = f"/v1/datasets/{dataset_id}/effects"
    return Effect((yield from ask(Ask("POST", path, json=body, headers=_key(key)))).json())


def effect(effect_id: str) -> Steps[Effect]:
    """Return one effect estimate: `ace`, and `segments` where asked, once it is ready."""
    return _get(f"/v1/effects/{effect_id}", Effect)


def generation(generation_id: str) -> Steps[Generation]:
    """Return one generation: status, attainment, and `artifact_url` once it has rows."""
    return _get(f"/v1/generations/{generation_id}", Generation)


def download(generation_id: str, path: str | Path, file_format: Format = "parquet") -> Steps[int]:
    """Stream a generation's rows to a file, whole or not at all; returns the bytes written.

    What has arrived of a stored file (Parquet in one part) is kept beside it as `PATH.ETAG.part`; the next call, in
    this process or another, asks for the rest. A digest that the service states is checked.

    Raises:
        DownloadCorrupt: the digest differs.
    """
    into, failures = Partial(Path(path)), 0
    try:
        while True:
            before, error = into.size, None
            # A fresh link every time: they live for 15 minutes.
            fetch = Fetch((yield from _link(generation_id)), {"format": file_format}, into.headers(), into)
            response: httpx.Response | None = None
            try:
                response = yield fetch
            except httpx.TransportError as broken:
                error = broken
            if response is not None and response.is_success:
                return into.finish()
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


def _link(generation_id: str) -> Steps[str]:
    found = yield from generation(generation_id)
    if found.artifact_url is None:
        where = "its rows are under your own key: see its artifacts" if found.get("artifacts") else "it has no rows yet"
        raise ValueError(f"{generation_id} is {found.status} and has no link: {where}")
    return found.artifact_url


def table(generation_id: str) -> Steps[Any]:
    """Return a generation's rows as a `pyarrow.Table`."""
    with tables.scratch() as path:
        yield from download(generation_id, path)
        return tables.read(path)


def to_pandas(generation_id: str) -> Steps[Any]:
    """Return a generation's rows as a `pandas.DataFrame`."""
    return tables.to_pandas((yield from table(generation_id)))


def to_polars(generation_id: str) -> Steps[Any]:
    """Return a generation's rows as a `polars.DataFrame`."""
    return tables.to_polars((yield from table(generation_id)))


def job(job_id: str) -> Steps[Job]:
    """Return the state of a job."""
    return _get(f"/v1/jobs/{job_id}", Job)


def cancel(job_id: str) -> Steps[Job]:
    """Stop a job for good: it ends as failed with the code simio_cancelled."""
    return Job((yield from ask(Ask("POST", f"/v1/jobs/{job_id}/cancel"))).json())


def wait(job_id: str, *, timeout: float = 3600.0, on_progress: Callable[[Job], None] | None = None) -> Steps[Job]:
    """Poll a job until it ends; raises JobFailed or TimeoutError. Poll gaps grow to 2 s, jittered."""
    deadline, gap = time.monotonic() + timeout, 0.25
    while True:
        found = yield from job(job_id)
        if on_progress:
            on_progress(found)
        if found.status == "failed":
            raise JobFailed(found)
        if found.status in TERMINAL:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{job_id} is still {found.status} after {timeout:.0f} s")
        yield Pause(gap * random.uniform(0.8, 1.2))
        gap = min(gap * 1.5, 2.0)


def delete_dataset(dataset_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete a dataset with its model and generations, and wait until it is gone."""
    return _delete(f"/v1/datasets/{dataset_id}", timeout)


def delete_generation(generation_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete one generation and wait until it is gone."""
    return _delete(f"/v1/generations/{generation_id}", timeout)


def delete_effect(effect_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete one effect estimate and wait until it is gone."""
    return _delete(f"/v1/effects/{effect_id}", timeout)


def delete(resource_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete a dataset (ds-...), a generation (gen-...) or an effect estimate (eff-...), told by its id."""
    return _delete(_path(resource_id, ("ds-", "gen-", "eff-")), timeout)


def erasure_certificate(resource: str) -> Steps[Document]:
    """Return the signed certificate that a resource (by its id or uid) was erased; 404 before that is complete."""
    return _get(f"/v1/erasure-certificates/{resource}", Document)


def erasure_certificates() -> Steps[list[Document]]:
    """List what was erased of the tenant's in the last 400 days, newest first; each has a certificate."""
    return _pages("/v1/erasure-certificates", {}, Document)


def audit_checkpoint() -> Steps[str]:
    """Return the newest signed checkpoint of the audit log; one that is kept shows later whether the log was cut."""
    return (yield from ask(Ask("GET", "/.well-known/simulacra-checkpoint"))).text


def explain(code: str) -> Steps[Document]:
    """Return what an error code means and what to do about it."""
    return _get(f"/errors/{code}", Document)


def published_keys() -> Steps[Document]:
    """Return the public keys that certificates and audit checkpoints are signed with. Keep a copy."""
    return _get("/.well-known/simulacra-keys.json", Document)


def webhooks() -> Steps[list[Document]]:
    """List the tenant's webhooks, without their secrets."""
    return [Document(one) for one in (yield from ask(Ask("GET", "/v1/webhooks"))).json()["items"]]


def create_webhook(url: str, events: list[str] | None = None) -> Steps[Document]:
    """Be told at a URL when jobs end; the answer's `secret` is shown this once."""
    body: Json = {"url": url} | ({} if events is None else {"events": events})
    return Document((yield from ask(Ask("POST", "/v1/webhooks", json=body, repeatable=False))).json())


def delete_webhook(webhook_id: str) -> Steps[None]:
    """Send nothing more to a webhook."""
    yield from ask(Ask("DELETE", f"/v1/webhooks/{webhook_id}"))


def rotate_credentials(overlap_seconds: int | None = None) -> Steps[Document]:
    """Make a new client secret and return it, this once; the one before stays good for the overlap."""
    body = {} if overlap_seconds is None else {"overlap_seconds": overlap_seconds}
    asked = (yield from ask(Ask("POST", "/v1/credential-rotations", json=body, repeatable=False))).json()
    claim = {"credential_claim_token": asked["credential_claim_token"]}
    return Document((yield from ask(Ask("POST", "/v1/credential-claims", json=claim, repeatable=False))).json())


def _path(resource_id: str, prefixes: tuple[str, ...]) -> str:
    """Return where a resource is, told by its id; ValueError names the ids that would do."""
    prefix = next((one for one in prefixes if resource_id.startswith(one)), None)
    if prefix is None:
        kinds = " or ".join(f"{_KINDS[one][:-1]}_id ({one}...)" for one in prefixes)
        raise ValueError(f"{resource_id}: give a {kinds}")
    return f"/v1/{_KINDS[prefix]}/{resource_id}"


def _delete(path: str, timeout: float) -> Steps[None]:
    deadline = time.monotonic() + timeout
    response = yield from ask(Ask("DELETE", path))
    while response.status_code != 204:
        yield Pause(0.5)
        response = yield Ask("GET", path)
        if response.status_code == 404:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"the service is still erasing after {timeout:.0f} s")


def _get(path: str, kind: type[D]) -> Steps[D]:
    return kind((yield from ask(Ask("GET", path))).json())


def _pages(path: str, filters: dict[str, str], kind: type[D]) -> Steps[list[D]]:
    items: list[D] = []
    query = {**filters, "limit": "100"}
    while True:
        page = (yield from ask(Ask("GET", path, params=dict(query)))).json()
        items += [kind(one) for one in page["items"]]
        if page.get("next_cursor") is None:
            return items
        query["cursor"] = page["next_cursor"]


def _key(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid.uuid4().hex}


def _asked(
    row_count: int, conditions: Json | None, interventions: Json | None, counterfactual: bool, seed: int | None
) -> Json:
    body: Json = {"row_count": row_count}
    body |= {"conditions": conditions} if conditions else {}
    body |= {"interventions": interventions} if interventions else {}
    body |= {"counterfactual": True} if counterfactual else {}
    return body | ({} if seed is None else {"seed": seed})

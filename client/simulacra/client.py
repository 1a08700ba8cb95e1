"""The SDK: one method a step of the main job. Bodies go in and out as the REST contract writes them."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, cast

import httpx

from simulacra.auth import ClientCredentials
from simulacra.connection import Connection
from simulacra.errors import ApiError, JobFailed

Json = dict[str, Any]
Format = Literal["parquet", "csv", "arrow"]
RETRIED = frozenset({429, 500, 502, 503, 504})
"""Statuses that the contract says to try again, with the same Idempotency-Key."""
MAX_ATTEMPTS = 5
TERMINAL = frozenset({"ready", "partial", "failed"})


class Client:
    """A tenant's view of the service. Use it as a context manager, or call close()."""

    def __init__(self, connection: Connection, *, timeout: float = 60.0) -> None:
        self._http = httpx.Client(base_url=connection.api_url, auth=ClientCredentials(connection), timeout=timeout)

    @classmethod
    def from_connection(cls, path: str | Path) -> Client:
        """Connect as the `connection.json` of `simulacra up` says."""
        return cls(Connection.from_file(path))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def upload(
        self,
        path: str | Path,
        *,
        retention_seconds: int | None = None,
        family: str | None = None,
        key: str | None = None,
    ) -> Json:
        """Upload a seed table; returns `dataset_id` and `job_id`. The same key twice is one upload."""
        data = {} if retention_seconds is None else {"retention_seconds": str(retention_seconds)}
        data |= {} if family is None else {"family": family}
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}

        def send() -> httpx.Response:
            with Path(path).open("rb") as file:
                files: dict[str, tuple[str, BinaryIO]] = {"file": (Path(path).name, file)}
                return self._http.post("/v1/datasets", files=files, data=data, headers=headers)

        return cast(Json, self._retried(send).json())

    def datasets(self, **filters: str) -> list[Json]:
        """List the tenant's datasets, newest first. Filters: status."""
        return self._pages("/v1/datasets", filters)

    def generations(self, **filters: str) -> list[Json]:
        """List the tenant's generations, newest first. Filters: dataset_id, status."""
        return self._pages("/v1/generations", filters)

    def jobs(self, **filters: str) -> list[Json]:
        """List the tenant's jobs, newest first. Filters: kind, status, dataset_id."""
        return self._pages("/v1/jobs", filters)

    def effects(self, **filters: str) -> list[Json]:
        """List the tenant's effect estimates, newest first. Filters: dataset_id, status."""
        return self._pages("/v1/effects", filters)

    def dataset(self, dataset_id: str) -> Json:
        """Return one dataset: status, rows, columns, expiry."""
        return self._get(f"/v1/datasets/{dataset_id}")

    def schema(self, dataset_id: str) -> Json:
        """Return the cleaned schema: what conditions are written against."""
        return self._get(f"/v1/datasets/{dataset_id}/schema")

    def report(self, dataset_id: str) -> Json:
        """Return the fidelity and privacy report of the dataset's model."""
        return self._get(f"/v1/datasets/{dataset_id}/report")

    def graph(self, dataset_id: str) -> Json:
        """Return the learned causal graph of the dataset's model."""
        return self._get(f"/v1/datasets/{dataset_id}/graph")

    def extend(self, dataset_id: str, retention_seconds: int) -> Json:
        """Set the retention of a dataset and its model, counted from creation."""
        body = {"retention_seconds": retention_seconds}
        return cast(Json, self._retried(lambda: self._http.patch(f"/v1/datasets/{dataset_id}", json=body)).json())

    def generate(
        self,
        dataset_id: str,
        row_count: int,
        *,
        conditions: Json | None = None,
        interventions: Json | None = None,
        seed: int | None = None,
        key: str | None = None,
    ) -> Json:
        """Ask for synthetic rows; returns `generation_id` and `job_id`."""
        body = _asked(row_count, conditions, interventions, seed)
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        path = f"/v1/datasets/{dataset_id}/generations"
        return cast(Json, self._retried(lambda: self._http.post(path, json=body, headers=headers)).json())

    def probe(
        self,
        dataset_id: str,
        row_count: int = 20,
        *,
        conditions: Json | None = None,
        interventions: Json | None = None,
        seed: int | None = None,
    ) -> Json:
        """Sample up to 100 rows at once: `rows`, and how feasible the conditions are. Nothing is kept."""
        body = _asked(row_count, conditions, interventions, seed)
        return cast(Json, self._retried(lambda: self._http.post(f"/v1/datasets/{dataset_id}/probe", json=body)).json())

    def estimate(
        self,
        dataset_id: str,
        *,
        treatment: str,
        value: float | str,
        baseline: float | str,
        outcome: str,
        outcome_level: str | None = None,
        segment: str | None = None,
        key: str | None = None,
    ) -> Json:
        """Ask for E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)]; returns effect_id, job_id."""
        body: Json = {"treatment": treatment, "value": value, "baseline": baseline, "outcome": outcome}
        body |= {} if outcome_level is None else {"outcome_level": outcome_level}
        body |= {} if segment is None else {"segment": segment}
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        path = f"/v1/datasets/{dataset_id}/effects"
        return cast(Json, self._retried(lambda: self._http.post(path, json=body, headers=headers)).json())

    def effect(self, effect_id: str) -> Json:
        """Return one effect estimate: `ace`, and `segments` where asked, once it is ready."""
        return self._get(f"/v1/effects/{effect_id}")

    def generation(self, generation_id: str) -> Json:
        """Return one generation: status, attainment, and `artifact_url` once it has rows."""
        return self._get(f"/v1/generations/{generation_id}")

    def download(self, generation_id: str, path: str | Path, file_format: Format = "parquet") -> int:
        """Stream a generation's rows to a file, whole or not at all; returns the bytes written."""
        url = self.generation(generation_id)["artifact_url"]
        target = Path(path)
        part = target.with_name(target.name + ".part")
        # A link to another host (a presigned one) carries its own right to read: our token must not go there.
        ours = httpx.URL(url).host in ("", self._http.base_url.host)
        auth = httpx.USE_CLIENT_DEFAULT if ours else None
        try:
            query = _with_query(url, {"format": file_format})
            with self._http.stream("GET", url, params=query, auth=auth) as response:
                if response.is_error:
                    response.read()
                    raise ApiError.from_response(response)
                with part.open("wb") as out:
                    for chunk in response.iter_bytes(1 << 20):
                        out.write(chunk)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target.stat().st_size

    def job(self, job_id: str) -> Json:
        """Return the state of a job."""
        return self._get(f"/v1/jobs/{job_id}")

    def cancel(self, job_id: str) -> Json:
        """Stop a job for good: it ends as failed with the code simio_cancelled."""
        return cast(Json, self._retried(lambda: self._http.post(f"/v1/jobs/{job_id}/cancel")).json())

    def wait(self, job_id: str, *, timeout: float = 3600.0, on_progress: Callable[[Json], None] | None = None) -> Json:
        """Poll a job until it ends; raises JobFailed or TimeoutError. Poll gaps grow to 2 s, jittered."""
        deadline, gap = time.monotonic() + timeout, 0.25
        while True:
            job = self.job(job_id)
            if on_progress:
                on_progress(job)
            if job["status"] == "failed":
                raise JobFailed(job)
            if job["status"] in TERMINAL:
                return job
            if time.monotonic() > deadline:
                raise TimeoutError(f"{job_id} is still {job['status']} after {timeout:.0f} s")
            time.sleep(gap * random.uniform(0.8, 1.2))
            gap = min(gap * 1.5, 2.0)

    def delete_dataset(self, dataset_id: str, *, timeout: float = 120.0) -> None:
        """Delete a dataset with its model and generations, and wait until it is gone."""
        self._delete(f"/v1/datasets/{dataset_id}", timeout)

    def erasure_certificate(self, resource: str) -> Json:
        """Return the signed certificate that a resource (by its id or uid) was erased; 404 before that is complete."""
        return self._get(f"/v1/erasure-certificates/{resource}")

    def published_keys(self) -> Json:
        """Return the public keys that certificates and audit checkpoints are signed with. Keep a copy."""
        return self._get("/.well-known/simulacra-keys.json")

    def delete_generation(self, generation_id: str, *, timeout: float = 120.0) -> None:
        """Delete one generation and wait until it is gone."""
        self._delete(f"/v1/generations/{generation_id}", timeout)

    def delete_effect(self, effect_id: str, *, timeout: float = 120.0) -> None:
        """Delete one effect estimate and wait until it is gone."""
        self._delete(f"/v1/effects/{effect_id}", timeout)

    def _delete(self, path: str, timeout: float) -> None:
        response = self._retried(lambda: self._http.delete(path))
        deadline = time.monotonic() + timeout
        while response.status_code != 204:
            time.sleep(0.5)
            response = self._http.get(path)
            if response.status_code == 404:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"the service is still erasing after {timeout:.0f} s")

    def _get(self, path: str) -> Json:
        return cast(Json, self._retried(lambda: self._http.get(path)).json())

    def _pages(self, path: str, filters: dict[str, str]) -> list[Json]:
        items: list[Json] = []
        query = {**filters, "limit": "100"}
        while True:
            page = self._retried(lambda: self._http.get(path, params=query)).json()
            items += page["items"]
            if page.get("next_cursor") is None:
                return items
            query["cursor"] = page["next_cursor"]

    def _retried(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        for attempt in range(MAX_ATTEMPTS):
            try:
                response = send()
            except httpx.TransportError:
                if attempt == MAX_ATTEMPTS - 1:
                    raise
                response = None
            if response is not None and response.status_code not in RETRIED:
                break
            if attempt < MAX_ATTEMPTS - 1:
                time.sleep(_pause(response, attempt))
        assert response is not None
        if response.is_error:
            raise ApiError.from_response(response)
        return response


def _asked(row_count: int, conditions: Json | None, interventions: Json | None, seed: int | None) -> Json:
    body: Json = {"row_count": row_count}
    body |= {"conditions": conditions} if conditions else {}
    body |= {"interventions": interventions} if interventions else {}
    return body | ({} if seed is None else {"seed": seed})


def _pause(response: httpx.Response | None, attempt: int) -> float:
    said = response.headers.get("Retry-After", "") if response is not None else ""
    return min(float(said), 30.0) if said.isdigit() else 0.25 * 2**attempt * random.uniform(0.8, 1.2)


def _with_query(url: str, extra: dict[str, str]) -> httpx.QueryParams:
    """Return the URL's own query with more parameters: httpx would replace it."""
    return httpx.URL(url).params.merge(extra)


@contextmanager
def connect() -> Iterator[Client]:
    """Connect as the environment says."""
    with Client(Connection.from_environment()) as client:
        yield client

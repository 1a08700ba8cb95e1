"""The lifecycle as a state machine: for any order of calls the API answers as a simple model does.

The stand-in replaces the operator, so the model covers the API: keys, statuses, errors, lists,
erasure.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from simulacra_crds.kube.client import DATASETS, GENERATION_JOBS, MODELS
from simulacra_crds.names import model_name

ROWS = pa.table({"segment": ["loyal"] * 5})
TABLES = (b"segment,price\nloyal,1\n", b"segment,price\nloyal,2\n")
KEYS = st.sampled_from(["a", "b"])


@dataclass
class Generation:
    """A generation in the model."""

    rows: int
    status: str = "queued"


@dataclass
class Dataset:
    """A dataset in the model."""

    table: bytes
    status: str = "queued"
    generations: dict[str, Generation] = field(default_factory=dict)


class Lifecycle(RuleBasedStateMachine):
    """Rules call the service and compare."""

    datasets, generations = Bundle("datasets"), Bundle("generations")
    world: Any
    http: httpx2.AsyncClient
    acme: Any
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.prefix = uuid.uuid4().hex
        self.known: dict[str, Dataset] = {}
        self.dataset_keys: dict[str, str] = {}
        self.generation_keys: dict[tuple[str, str], str] = {}

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        answer: httpx2.Response = self.do(self.http.request(method, path, **options))
        return answer

    @initialize(target=datasets)
    def begin(self) -> Any:
        """Begin each run with a fitted dataset, as most rules need one."""
        name = self.upload("a", TABLES[0])
        self.finish(name)
        return name

    @rule(target=datasets, key=KEYS, table=st.sampled_from(TABLES))
    def upload(self, key: str, table: bytes) -> Any:
        headers = {"Idempotency-Key": f"{self.prefix}-{key}"}
        answer = self.call(
            "POST", "/v1/datasets", files={"file": ("t.csv", table)}, headers=headers
        )
        name = self._dataset_of(key)
        if name is None:
            assert answer.status_code == 202, answer.text
            self.known[answer.json()["dataset_id"]] = Dataset(table)
            self.dataset_keys[key] = answer.json()["dataset_id"]
            return str(answer.json()["dataset_id"])
        if self.known[name].table == table:  # a replay, in any status
            assert (answer.status_code, answer.json()["dataset_id"]) == (202, name)
        else:
            assert answer.json()["code"] == "simio_idempotency_conflict"
        return multiple()

    def _dataset_of(self, key: str) -> str | None:
        name = self.dataset_keys.get(key)
        return name if name in self.known else None

    @rule(name=datasets)
    def finish(self, name: str) -> None:
        if name in self.known and self.known[name].status == "queued":
            self.do(self.acme.prepare(name))
            self.do(self.acme.fit(name))
            self.known[name].status = "ready"

    @rule(name=datasets)
    def fail(self, name: str) -> None:
        if name in self.known and self.known[name].status == "queued":
            self.do(self.acme.fail(DATASETS, name, "UploadInvalid", "no table"))
            self.known[name].status = "failed"

    @rule(target=generations, name=datasets, key=KEYS, rows=st.sampled_from([1, 2]))
    def generate(self, name: str, key: str, rows: int) -> Any:
        headers = {"Idempotency-Key": f"{self.prefix}-{key}"}
        answer = self.call(
            "POST", f"/v1/datasets/{name}/generations", json={"row_count": rows}, headers=headers
        )
        dataset = self.known.get(name)
        if dataset is None:
            assert answer.json()["code"] == "simio_dataset_not_found"
            return multiple()
        made = dataset.generations.get(self.generation_keys.get((name, key), ""))
        if made is not None:  # a replay is answered in any status of the dataset
            same = made.rows == rows
            assert answer.status_code == (202 if same else 409), answer.text
            assert same or answer.json()["code"] == "simio_idempotency_conflict"
            return multiple()
        if dataset.status != "ready":
            codes = {"queued": "not_ready", "failed": "failed", "cancelled": "cancelled"}
            expected = codes[dataset.status]
            assert answer.json()["code"] in (f"simio_dataset_{expected}", f"simio_{expected}")
            return multiple()
        assert answer.status_code == 202, answer.text
        generation = str(answer.json()["generation_id"])
        dataset.generations[generation] = Generation(rows)
        self.generation_keys[name, key] = generation
        return (name, generation)

    def _of(self, pair: tuple[str, str]) -> Generation | None:
        dataset = self.known.get(pair[0])
        return dataset.generations.get(pair[1]) if dataset else None

    @rule(pair=generations, rows=st.sampled_from([1, 2]))
    def generate_again(self, pair: tuple[str, str], rows: int) -> None:
        """Repeat a request with a used key, which the general rule does too seldom."""
        made = self._of(pair)
        keys = [
            key
            for (name, key), generation in self.generation_keys.items()
            if (name, generation) == pair
        ]
        if made is None or not keys:
            return
        headers = {"Idempotency-Key": f"{self.prefix}-{keys[0]}"}
        answer = self.call(
            "POST", f"/v1/datasets/{pair[0]}/generations", json={"row_count": rows}, headers=headers
        )
        if made.rows == rows:
            assert (answer.status_code, answer.json()["generation_id"]) == (202, pair[1])
        else:
            assert (answer.status_code, answer.json()["code"]) == (
                409,
                "simio_idempotency_conflict",
            )

    @rule(pair=generations)
    def write_rows(self, pair: tuple[str, str]) -> None:
        made = self._of(pair)
        if made is not None and made.status == "queued":
            self.do(self.acme.generate(pair[1], [ROWS]))
            made.status = "ready"

    @rule(pair=generations)
    def cancel_generation(self, pair: tuple[str, str]) -> None:
        answer, made = self.call("POST", f"/v1/jobs/job-{pair[1]}/cancel"), self._of(pair)
        if made is None:
            assert answer.json()["code"] == "simio_job_not_found"
        elif made.status == "ready":
            assert answer.json()["code"] == "simio_job_finished"
        else:
            assert answer.json()["error"]["code"] == "simio_cancelled"
            made.status = "cancelled"

    @rule(name=datasets)
    def cancel_dataset(self, name: str) -> None:
        answer, dataset = self.call("POST", f"/v1/jobs/job-{name}/cancel"), self.known.get(name)
        if dataset is None:
            assert answer.json()["code"] == "simio_job_not_found"
        elif dataset.status in ("ready", "failed"):
            assert answer.json()["code"] == "simio_job_finished"
        else:
            assert answer.json()["error"]["code"] == "simio_cancelled"
            dataset.status = "cancelled"

    @rule(pair=generations)
    def look(self, pair: tuple[str, str]) -> None:
        answer, made = self.call("GET", f"/v1/generations/{pair[1]}"), self._of(pair)
        if made is None:
            assert answer.json()["code"] == "simio_generation_not_found"
            return
        shown = "failed" if made.status == "cancelled" else made.status
        assert (answer.json()["status"], answer.json()["row_count"]) == (shown, made.rows)
        assert (answer.json()["artifact_url"] is not None) == (made.status == "ready")
        if made.status == "ready":
            assert self.call("GET", answer.json()["artifact_url"]).content[:4] == b"PAR1"

    @rule(pair=consumes(generations))
    def delete_generation(self, pair: tuple[str, str]) -> None:
        made = self._of(pair)
        status = self.do(self._erased("generations", GENERATION_JOBS, pair[1], made is not None))
        assert status == (404 if made is None else 204)
        if made is not None:
            del self.known[pair[0]].generations[pair[1]]

    @rule(name=consumes(datasets))
    def delete_dataset(self, name: str) -> None:
        dataset = self.known.pop(name, None)
        for generation in dataset.generations if dataset else ():  # the operator drains them first
            assert self.do(self._erased("generations", GENERATION_JOBS, generation, True)) == 204
        assert self.do(self._erased("datasets", DATASETS, name, dataset is not None)) == (
            204 if dataset else 404
        )
        if dataset:
            self.do(self._without_model(name))

    async def _without_model(self, name: str) -> None:
        """Delete the model as the garbage collector and its finalizer do."""
        if await self.world.cluster.find(MODELS, model_name(name), "tenant-acme"):
            await self.world.cluster.delete(MODELS, model_name(name), "tenant-acme")
            await self.acme.erase(MODELS, model_name(name))

    async def _erased(self, path: str, kind: Any, name: str, there: bool) -> int:
        erasing = asyncio.create_task(self.acme.erase(kind, name)) if there else None
        answer = await self.http.delete(f"/v1/{path}/{name}")
        if erasing is not None:
            await erasing
        return answer.status_code

    def teardown(self) -> None:
        """Leave no unfinished job: a tenant may have a hundred, and a session has many runs."""
        for name in list(self.known):
            self.delete_dataset(name)

    @invariant()
    def lists_say_the_same(self) -> None:
        for name, dataset in self.known.items():
            shown = self.call("GET", f"/v1/datasets/{name}").json()["status"]
            assert shown == ("failed" if dataset.status == "cancelled" else dataset.status)
            listed = self.call("GET", f"/v1/generations?dataset_id={name}").json()["items"]
            assert {item["generation_id"] for item in listed} == set(dataset.generations)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_lifecycle_matches_the_model_in_any_order(
    world: Any, http: httpx2.AsyncClient, acme: Any
) -> None:
    loop = asyncio.get_running_loop()
    machine = type(
        "Bound", (Lifecycle,), {"world": world, "http": http, "acme": acme, "loop": loop}
    )
    few = settings(
        max_examples=10,
        stateful_step_count=20,
        deadline=None,
        database=None,
        phases=(Phase.generate,),  # shrinking would make hundreds of runs
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=few)

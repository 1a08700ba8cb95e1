"""The read cache: shared reads, and no stale read after a confirmed change."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from simulacra_api.__main__ import listen
from simulacra_api.tenancy.read_cache import ReadCache
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kube.client import DATASETS, NotFound

SECONDS = 0.4


class _Counting:
    """A control plane that counts reads and answers once its gate is open."""

    def __init__(self) -> None:
        self.reads = 0
        self.found: dict[str, Any] | None = {"metadata": {"name": "ds-1"}, "spec": {}}
        self.gate = asyncio.Event()
        self.gate.set()

    async def find(self, *_: object) -> dict[str, Any] | None:
        self.reads += 1
        found = self.found
        await self.gate.wait()
        if isinstance(found, Exception):
            raise found
        return found


async def test_one_read_serves_concurrent_and_later_callers() -> None:
    plane = _Counting()
    cache = ReadCache(plane, SECONDS)  # type: ignore[arg-type]
    plane.gate.clear()
    asking = [asyncio.create_task(cache.find(Dataset, "ds-1", "ns")) for _ in range(20)]
    await asyncio.sleep(0.05)
    asking[0].cancel()
    plane.gate.set()
    assert {found.metadata.name for found in await asyncio.gather(*asking[1:]) if found} == {"ds-1"}
    await cache.find(Dataset, "ds-1", "ns")
    assert plane.reads == 1
    await cache.find(Dataset, "ds-1", "other")
    await cache.find(Dataset, "ds-1", "ns", fresh=True)
    assert plane.reads == 3
    await asyncio.sleep(SECONDS)
    await cache.find(Dataset, "ds-1", "ns")
    assert plane.reads == 4


async def test_absence_and_errors_are_not_cached() -> None:
    plane = _Counting()
    cache = ReadCache(plane, SECONDS)  # type: ignore[arg-type]
    plane.found = None
    assert await cache.find(Dataset, "ds-1", "ns") is None
    plane.found = NotFound(404, "", "")  # type: ignore[assignment]
    for _ in range(2):
        with pytest.raises(NotFound):
            await cache.find(Dataset, "ds-1", "ns")
    plane.found = {"metadata": {"name": "ds-1"}, "spec": {}}
    assert await cache.find(Dataset, "ds-1", "ns") is not None


async def test_expired_values_are_dropped() -> None:
    cache = ReadCache(_Counting(), 0.05)  # type: ignore[arg-type]
    await cache.find(Dataset, "ds-1", "ns")
    await asyncio.sleep(0.1)
    assert not cache._reads


@pytest_asyncio.fixture(loop_scope="session")
async def pair(world: Any) -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    """Two APIs with a cache each, as two processes have, that caches for `SECONDS`."""
    settings = replace(world.settings, cache_seconds=SECONDS)
    headers = {"Authorization": f"Bearer {await world.token('acme')}"}

    def client(listener: socket.socket) -> httpx2.AsyncClient:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        return httpx2.AsyncClient(base_url=url, headers=headers, timeout=60)

    first, second = listen("127.0.0.1", 0), listen("127.0.0.1", 0)
    async with (
        world.serve(settings, first),
        world.serve(settings, second),
        client(first) as one,
        client(second) as two,
    ):
        yield one, two


async def _keep_reading(http: httpx2.AsyncClient, url: str, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await http.get(url)
        await asyncio.sleep(0.01)


async def test_confirmed_change_shows_in_the_other_process(
    pair: tuple[httpx2.AsyncClient, httpx2.AsyncClient], ready: str, acme: Any
) -> None:
    one, two = pair
    url, stop = f"/v1/datasets/{ready}", asyncio.Event()
    reading = asyncio.create_task(_keep_reading(two, url, stop))  # keeps its cache filled
    try:
        for seconds in (90_000, 91_000, 92_000):
            assert (await one.patch(url, json={"retention_seconds": seconds})).status_code == 200
            assert (await two.get(url)).json()["retention_seconds"] == seconds
        erased = asyncio.gather(acme.erase(DATASETS, ready))
        assert (await one.delete(url)).status_code == 204
        await erased
        assert (await two.get(url)).status_code == 404
    finally:
        stop.set()
        await reading


async def test_created_generation_shows_in_the_other_process(
    pair: tuple[httpx2.AsyncClient, httpx2.AsyncClient], ready: str, key: str
) -> None:
    one, two = pair
    body, headers = {"row_count": 1}, {"Idempotency-Key": key}
    made = (await one.post(f"/v1/datasets/{ready}/generations", json=body, headers=headers)).json()
    assert (await two.get(f"/v1/generations/{made['generation_id']}")).status_code == 200


async def test_confirmed_cancellation_shows_in_the_other_process(
    pair: tuple[httpx2.AsyncClient, httpx2.AsyncClient], ready: str, key: str
) -> None:
    one, two = pair
    body, headers = {"row_count": 1}, {"Idempotency-Key": key}
    job = (await one.post(f"/v1/datasets/{ready}/generations", json=body, headers=headers)).json()[
        "job_id"
    ]
    assert (await two.get(f"/v1/jobs/{job}")).json()["status"] == "queued"
    await one.post(f"/v1/jobs/{job}/cancel")
    assert (await two.get(f"/v1/jobs/{job}")).json()["status"] == "failed"


async def test_completed_resumable_upload_shows_in_the_other_process(
    pair: tuple[httpx2.AsyncClient, httpx2.AsyncClient], key: str
) -> None:
    table = b"a,b\n" + b"1,2\n" * 1000
    for http, turn in zip(pair, "12", strict=True):  # whichever process reads next
        keyed = {"Idempotency-Key": key + turn}
        upload = (
            await pair[0].post("/v1/uploads", json={"bytes": len(table)}, headers=keyed)
        ).json()["upload_id"]
        await http.get(f"/v1/datasets/{upload}")
        headers = {"Content-Type": "application/octet-stream", "Upload-Offset": "0"}
        assert (
            await pair[0].patch(f"/v1/uploads/{upload}", content=table, headers=headers)
        ).json()["complete"]
        assert (await http.get(f"/v1/datasets/{upload}")).json()["status"] == "queued"

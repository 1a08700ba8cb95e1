"""An API that was taken over and answers reads without their records: what of it is found.

Nothing makes such a process append a record. It cannot open an artifact without the key provider,
whose own log it cannot write; and what it has appended once, it cannot take back unseen.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api_world import World
from proofs import KEYS
from simulacra_api.tenancy import reads
from simulacra_crds.kube.client import DATASETS
from simulacra_custody.audit.checkpoints import CheckpointSigner, verify_checkpoints
from simulacra_custody.audit.event import AuditData, Counts
from simulacra_custody.audit.log import SegmentedAuditLog, segment_key
from simulacra_custody.errors import AuditCorrupt
from simulacra_custody.keys.keyring import LocalKeyring
from simulacra_custody.stores.local import LocalStore

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.embedded,
    pytest.mark.usefixtures("own_environment"),
]
Unwrap = tuple[str, str]
"""Kind and uid of the resource whose data key was unwrapped."""


@pytest.fixture
def unwraps(monkeypatch: pytest.MonkeyPatch) -> list[Unwrap]:
    """The key provider's own log: each unwrap, with the context without which none succeeds."""
    found: list[Unwrap] = []
    unwrap = LocalKeyring.unwrap

    def logged(self: LocalKeyring, tenant: str, wrapped: str, context: dict[str, str]) -> bytes:
        found.append((context["kind"], context["uid"]))
        return unwrap(self, tenant, wrapped, context)

    monkeypatch.setattr(LocalKeyring, "unwrap", logged)
    return found


def _on_record(world: World) -> set[Unwrap]:
    lines = [json.loads(line) for line in world.audit_text().splitlines()]
    events = [line["data"] for line in lines if line.get("type") == "dev.simulacra.artefact.read"]
    return {(one["kind"], one["uid"]) for one in events if "uid" in one}


async def test_every_read_asks_the_key_provider_for_its_resource(
    world: World, owned: dict[str, str], unwraps: list[Unwrap], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = await world.cluster.get(DATASETS, owned["dataset_id"], "tenant-acme")
    resource = ("datasets", dataset["metadata"]["uid"])
    async with world.client() as http:
        for count in (1, 2):
            assert (await _schema(http, owned)).status_code == 200
            assert unwraps == [resource] * count
        assert set(unwraps) <= _on_record(world)


async def test_suppressed_read_is_in_the_log_of_the_key_provider_alone(
    world: World, owned: dict[str, str], unwraps: list[Unwrap], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: Any) -> None: ...

    monkeypatch.setattr(reads.ReadRecords, "record", nothing)
    async with world.another_api() as http:
        answer = await http.get(f"/v1/effects/{owned['effect_id']}")
    assert answer.json()["ace"] is not None
    assert [kind for kind, _ in unwraps] == ["effectestimates"]
    request = answer.headers["x-request-id"]
    assert request not in world.audit_text()


async def _schema(http: httpx2.AsyncClient, owned: dict[str, str]) -> httpx2.Response:
    return await http.get(f"/v1/datasets/{owned['dataset_id']}/schema")


async def test_record_of_a_read_cannot_be_taken_back_after_a_checkpoint(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    records = reads.ReadRecords(SegmentedAuditLog(store))
    for uid in ("u1", "u2"):
        read = reads.Read("datasets", uid, "schema.json", Counts(objects=1, bytes=10))
        await records.record(AuditData(tenant="acme", client="sim-1"), [read])
    assert CheckpointSigner(store, KEYS.log_name, KEYS.checkpoint).step() is not None
    assert verify_checkpoints(store, KEYS.log_key, []).head.size == 2
    store.delete(segment_key(2))
    with pytest.raises(AuditCorrupt):
        verify_checkpoints(store, KEYS.log_key, [])

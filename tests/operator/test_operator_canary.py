"""The canary: it finds every leak, never improves its verdict by not looking, and runs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import signal
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, Gauge
from typer.testing import CliRunner

from operator_bench import Plane, World, apply_crds, condition, hold, reason, succeed
from simulacra.cli import app
from simulacra_crds.kinds.tenant import CANARY_CONDITION
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import CONFIGMAPS, TENANTS, Cluster
from simulacra_crds.names import CANARY, system_namespace, tenant_namespace
from simulacra_crds.tasks import UPLOAD, TaskSpec
from simulacra_custody.audit.certificates import Certificates
from simulacra_custody.audit.event import AuditData, AuditEvent, Component, EventType
from simulacra_custody.audit.log import SegmentedAuditLog
from simulacra_custody.audit.signed_note import note_text
from simulacra_custody.keys.keyring import LocalKeyring
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody
from simulacra_custody.stores.local import LocalStore
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.runtime.signing_keys import SigningKeys
from simulacra_operator.settings import CanarySettings
from simulacra_operator.tasks.canary.marks import Finder, Marks
from simulacra_operator.tasks.canary.places import LogWatch, Searched
from simulacra_operator.tasks.canary.record import (
    LABEL,
    RUN_NOW,
    TENANT,
    CanaryResult,
    Verdict,
    judge,
    open_leaks,
)
from simulacra_operator.tasks.canary.task import Canary, measure

LIVES = int(os.environ.get("CANARY_LIVES", "3"))
SPACE = "canary-seeds"


class Yard:
    """The places of an installation on one machine, all real, and a canary that searches them."""

    def __init__(self, cluster: Cluster, root: Path) -> None:
        self.cluster, self.root = cluster, root
        self.store, self.audit_store = LocalStore(root / "objects"), LocalStore(root / "audit")
        for name in ("pods", "logs"):
            (root / name).mkdir()
        (root / "objects.sqlite").write_bytes(b"SQLite")
        self.audit = SegmentedAuditLog(self.audit_store)
        keys = LocalKeyring(root / "keyring.json")
        keys.create_tenant_key(TENANT)
        self.custody = Custody(self.store, keys)
        self.client = CustodyClient(self.custody, self.audit, Certificates(self.audit_store))
        files = {
            "scratch": f"{root}/pods",
            "process logs": f"{root}/logs",
            "control plane database": f"{root}/objects.sqlite*",
        }
        self.settings = CanarySettings(1, files)
        self.marks, self.started = Marks.new(), datetime.now(UTC)
        self.watch = LogWatch(self.marks.needles)
        self.undo: list[Callable[[], Any]] = []

    def new_life(self) -> None:
        self.marks, self.started = Marks.new(), datetime.now(UTC)
        self.watch = LogWatch(self.marks.needles)

    async def search(self) -> tuple[Searched, ...]:
        keys = SigningKeys(self.cluster)
        canary = Canary(self.cluster, self.client, keys, self.settings, self.cluster.now)
        logging.getLogger().addHandler(self.watch)
        try:
            return await canary.search(self.marks, self.started, self.watch)
        finally:
            logging.getLogger().removeHandler(self.watch)

    async def object(self, api: kube.ApiResource, **fields: Any) -> None:
        """Create an object of a kind; it is deleted after the test."""
        name = f"seed-{uuid.uuid4().hex[:8]}"
        namespace = SPACE if api.namespaced else None
        metadata = {"name": name, **fields.pop("metadata", {})}
        body = {"apiVersion": api.api_version, "kind": api.kind, "metadata": metadata, **fields}
        await self.cluster.create(api, body, namespace)
        self.undo.append(lambda: self.cluster.delete(api, name, namespace, grace=0))

    def file(self, path: str, content: bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


@pytest.fixture
async def yard(plane: Plane, tmp_path: Path) -> AsyncIterator[Yard]:
    if plane.real:
        pytest.skip("the places of one machine")
    cluster = await Cluster.connect(str(plane.kubeconfig))
    await apply_crds(cluster)
    with contextlib.suppress(kube.AlreadyExists):
        await cluster.create(kube.NAMESPACES, {"metadata": {"name": SPACE}})
    yard = Yard(cluster, tmp_path)
    try:
        yield yard
    finally:
        for undo in yard.undo:
            await undo()
        yard.client.close()
        await cluster.close()


POD = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}


async def in_object(yard: Yard) -> None:
    yard.store.put("tenants/acme/datasets/u/raw", [b"x" * 70_000, yard.marks.table()])


async def in_object_across_chunks(yard: Yard) -> None:
    content = b"x" * ((1 << 20) - 5) + yard.marks.word.encode()
    yard.store.put("tenants/acme/datasets/u/raw", [content])


async def in_object_as_utf16(yard: Yard) -> None:
    yard.store.put("tenants/acme/datasets/u/raw", [yard.marks.level(1).encode("utf-16-be")])


async def in_object_as_base64(yard: Yard) -> None:
    yard.store.put("elsewhere", [base64.b64encode(b"ab" + yard.marks.level(2).encode())])


async def in_object_as_hex(yard: Yard) -> None:
    yard.store.put("elsewhere", [yard.marks.column.encode().hex().encode()])


async def in_key(yard: Yard) -> None:
    yard.store.put(f"tenants/acme/datasets/u/{yard.marks.column}", [b"x"])


async def in_unfinished_put(yard: Yard) -> None:
    stack = contextlib.ExitStack()
    upload = stack.enter_context(yard.store.open_put(f"tenants/acme/models/u/{yard.marks.word}"))
    upload.write(b"x")
    yard.undo.append(lambda: asyncio.to_thread(stack.close))


async def in_audit_record(yard: Yard) -> None:
    data = AuditData(tenant="acme", client=yard.marks.word)
    yard.audit.append(AuditEvent(type=EventType.ARTEFACT_READ, source=Component.API, data=data))


async def in_certificate(yard: Yard) -> None:
    yard.audit_store.put("certificates/u/ds.u", [yard.marks.level(0).encode()])


async def in_tenant(yard: Yard) -> None:
    await yard.object(kube.TENANTS, metadata={"annotations": {"a": yard.marks.word}}, spec={})


async def in_dataset(yard: Yard) -> None:
    await yard.object(kube.DATASETS, metadata={"annotations": {"a": yard.marks.word}}, spec={})


async def in_model(yard: Yard) -> None:
    spec = {"datasetRef": {"name": "ds-1"}, "knowledge": {"tiers": [[yard.marks.column]]}}
    await yard.object(kube.MODELS, spec=spec)


async def in_generation(yard: Yard) -> None:
    spec = {"modelRef": {"name": "m"}, "rowCount": 1, "conditions": yard.marks.conditions()}
    await yard.object(kube.GENERATION_JOBS, spec=spec)


async def in_estimate(yard: Yard) -> None:
    asked = {"treatment": yard.marks.column, "value": {"number": 1}, "baseline": {"number": 0}}
    await yard.object(
        kube.EFFECT_ESTIMATES, spec={"modelRef": {"name": "m"}, **asked, "outcome": "b"}
    )


async def in_job(yard: Yard) -> None:
    env = [{"name": "A", "value": yard.marks.word}]
    pod = {**POD, "containers": [{"name": "c", "image": "i", "env": env}]}
    await yard.object(kube.JOBS, spec={"suspend": True, "template": {"spec": pod}})


async def in_pod(yard: Yard) -> None:
    await yard.object(kube.PODS, metadata={"labels": {"a": yard.marks.word}}, spec=POD)


async def in_config_map(yard: Yard) -> None:
    await yard.object(CONFIGMAPS, data={"row": yard.marks.table().decode()})


async def in_event(yard: Yard) -> None:
    involved = {"kind": "Dataset", "name": "d", "namespace": SPACE}
    await yard.object(kube.EVENTS, involvedObject=involved, message=yard.marks.level(1))


async def in_scratch(yard: Yard) -> None:
    yard.file("pods/u/tmp/table.csv", yard.marks.table())


async def in_scratch_name(yard: Yard) -> None:
    yard.file(f"pods/u/tmp/{yard.marks.column}.bin", b"x")


async def in_database(yard: Yard) -> None:
    yard.file("objects.sqlite-wal", b"\0" * 5000 + yard.marks.table())


async def in_process_log(yard: Yard) -> None:
    yard.file("logs/api.log", f"GET /?q={yard.marks.word.upper()}\n".encode())


async def in_operator_log(yard: Yard) -> None:
    logging.getLogger().addHandler(yard.watch)
    logging.getLogger("simulacra_operator").warning("x", extra={"a": [yard.marks.word]})


async def in_metrics(yard: Yard) -> None:
    gauge = Gauge("seeded_leak", "A leak.", ["column"])
    gauge.labels(yard.marks.column).set(1)
    yard.undo.append(lambda: asyncio.to_thread(REGISTRY.unregister, gauge))


LEAKS = {
    in_object: "store",
    in_object_across_chunks: "store",
    in_object_as_utf16: "store",
    in_object_as_base64: "store",
    in_object_as_hex: "store",
    in_key: "store",
    in_unfinished_put: "store",
    in_audit_record: "audit log",
    in_certificate: "audit log",
    in_tenant: "control plane: tenants",
    in_dataset: "control plane: datasets",
    in_model: "control plane: models",
    in_generation: "control plane: generationjobs",
    in_estimate: "control plane: effectestimates",
    in_job: "control plane: jobs",
    in_pod: "control plane: pods",
    in_config_map: "control plane: configmaps",
    in_event: "control plane: events",
    in_scratch: "scratch",
    in_scratch_name: "scratch",
    in_database: "control plane database",
    in_process_log: "process logs",
    in_operator_log: "operator log",
    in_metrics: "operator metrics",
}


@pytest.mark.parametrize("seed", LEAKS, ids=lambda seed: seed.__name__)
async def test_seeded_leak_is_found_where_it_is(yard: Yard, seed: Callable[[Yard], Any]) -> None:
    await seed(yard)
    places = await yard.search()
    assert [one.place for one in places if one.found] == [LEAKS[seed]]
    assert judge(places) == Verdict.LEAK


async def test_lives_without_a_leak_are_clean(yard: Yard) -> None:
    """What a run leaves on purpose has no mark: ciphertext, records, names."""
    for _ in range(LIVES):
        yard.new_life()
        ref = ResourceRef(TENANT, "datasets", str(uuid.uuid4()))
        key = yard.custody.new_resource_key(ref)
        yard.custody.write(ref.artifact("upload"), key, [yard.marks.table()])
        data = AuditData(tenant=TENANT, uid=ref.uid)
        yard.audit.append(
            AuditEvent(type=EventType.ARTEFACT_WRITTEN, source=Component.API, data=data)
        )
        places = await yard.search()
        assert judge(places) == Verdict.CLEAN, places
        assert all(one.items for one in places if one.place in ("store", "audit log", "scratch"))
        yard.custody.erase(ref)


async def test_place_that_cannot_be_read_is_named_and_never_clean(yard: Yard) -> None:
    (yard.root / "logs").rmdir()
    yard.settings.files.pop("scratch")  # type: ignore[attr-defined]
    (yard.root / "audit").rename(yard.root / "gone")
    (yard.root / "audit").write_bytes(b"no directory")
    places = {one.place: one.unsearched for one in await yard.search()}
    assert {name for name, why in places.items() if why} == {"process logs", "scratch", "audit log"}
    assert judge(tuple(await yard.search())) == Verdict.PARTLY_SEARCHED


def test_verdict_never_improves_when_less_is_searched() -> None:
    clean, leak = Searched(place="a"), Searched(place="b", found=1)
    unread = Searched(place="c", unsearched="why")
    assert judge((clean, clean)) == Verdict.CLEAN
    assert judge(()) == Verdict.PARTLY_SEARCHED
    assert judge((clean, unread)) == Verdict.PARTLY_SEARCHED
    assert judge((leak, unread)) == Verdict.LEAK
    assert judge((leak.model_copy(update={"unsearched": "why"}),)) == Verdict.LEAK


def test_leak_stays_open_until_its_place_is_searched_again() -> None:
    def result(*places: Searched) -> CanaryResult:
        now = datetime.now(UTC)
        verdict = judge(places)
        return CanaryResult(started=now, ended=now, erased_by="", verdict=verdict, places=places)

    leak, clean = result(Searched(place="a", found=1)), result(Searched(place="a"))
    unread, failed = result(Searched(place="a", unsearched="why")), result()
    assert open_leaks([failed, unread, leak, clean]) == ("a",)
    assert open_leaks([clean, leak]) == ()
    assert open_leaks([unread, clean, leak]) == ()


def test_silence_counts_from_the_first_life_if_every_life_failed() -> None:
    first, now = datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC)
    runs = [
        CanaryResult(started=at, ended=now, erased_by="deletion", verdict=Verdict.FAILED)
        for at in (now, first)
    ]
    measure(runs)
    ended = REGISTRY.get_sample_value("simulacra_canary_ended_timestamp_seconds")
    assert ended == first.timestamp()


def test_word_is_found_in_base64_at_every_offset() -> None:
    marks = Marks.new()
    for before in range(6):
        text = b"x" * before + marks.word.encode() + b"tail"
        finder = Finder(marks.needles)
        for byte in base64.b64encode(text):
            finder.feed(bytes([byte]))
        assert finder.found, before


def results(body: dict[str, Any]) -> list[CanaryResult]:
    note = json.loads(note_text(body["data"]["results"].encode()))
    return [CanaryResult.model_validate(one) for one in note["results"]]


async def life(world: World, number: int = 1) -> CanaryResult:
    """Wait until this number of runs is on record; return the newest."""
    found = await world.reaches(
        CONFIGMAPS,
        CANARY,
        lambda one: len(results(one)) >= number,
        namespace=system_namespace(),
        seconds=60,
    )
    return results(found)[0]


@pytest.fixture
async def canaries(world: World) -> AsyncIterator[World]:
    """An operator with a canary, whose stub pods see the marked upload."""
    world.operator.end()
    await world.cluster.delete(CONFIGMAPS, CANARY, system_namespace())
    world.operator.extra["SIMULACRA_CANARY_MINUTES"] = "600"
    world.operator.start()
    try:
        yield world
    finally:
        if not world.operator.running:
            world.operator.start()
        world.pods.plays.clear()
        await world.cluster.delete(TENANTS, TENANT)
        await world.gone(TENANTS, TENANT, namespace=None, seconds=60)


async def test_life_ends_on_record_and_leaves_nothing(canaries: World) -> None:
    first = await life(canaries)
    assert (first.verdict, first.erased_by) == (Verdict.PARTLY_SEARCHED, "deletion"), first.detail
    assert first.named(found=False) == "scratch, process logs, control plane database"
    await canaries.reaches(
        TENANTS,
        TENANT,
        lambda one: condition(one, CANARY_CONDITION).get("reason") == "CanaryPartlySearched",
        namespace=None,
    )
    assert list(canaries.custody.store.list(f"tenants/{TENANT}/")) == []
    records = [one for one in canaries.audit() if one["type"].endswith("canary.searched")]
    assert [one["data"]["outcome"] for one in records][-1:] == ["refused"]
    command = ["admin", "canary", "--now", "--kubeconfig", str(canaries.operator.kubeconfig)]
    shown = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert shown.exit_code == 0, shown.output
    assert [one["verdict"] for one in json.loads(shown.stdout)] == ["PartlySearched"]
    assert (await life(canaries, 2)).erased_by == "expiry"


async def test_killed_life_is_erased_by_the_next_which_finds_a_leak(canaries: World) -> None:
    space = tenant_namespace(TENANT)
    leaked = f"leaked-{uuid.uuid4().hex}"

    def leak(task: TaskSpec, shard: int) -> kube.Object:
        ref = ResourceRef(TENANT, "datasets", task.resource.uid).artifact(UPLOAD)
        table = canaries.custody.read_bytes(ref, task.resource.wrapped_key, limit=1 << 20)
        canaries.custody.store.put(leaked, [table])
        return succeed(task, shard)

    async def running() -> list[str]:
        return [
            one["metadata"]["uid"]
            async for one in canaries.cluster.list(kube.MODELS, space)
            if reason("JobRunning")(one)
        ]

    canaries.pods.plays["fit"] = hold
    killed = await canaries.until(running, 60, lambda: "no fit")
    canaries.operator.end(signal.SIGKILL)
    canaries.pods.plays = {"prepare": leak}
    canaries.operator.start()
    found = await life(canaries)
    canaries.custody.store.delete(leaked)
    assert (found.verdict, found.named(found=True)) == (Verdict.LEAK, "store")
    assert killed[0] in {
        one["data"]["uid"] for one in canaries.audit() if one["type"].endswith("resource.erased")
    }
    assert list(canaries.custody.store.list(f"tenants/{TENANT}/")) == []


async def test_tenant_of_a_customer_with_the_canarys_name_is_left_alone(canaries: World) -> None:
    await life(canaries)
    await canaries.cluster.patch(TENANTS, TENANT, {"metadata": {"labels": {LABEL: None}}})
    run = {"metadata": {"annotations": {RUN_NOW: "yes"}}}
    await canaries.cluster.patch(CONFIGMAPS, CANARY, run, system_namespace())
    found = await life(canaries, 2)
    assert found.verdict == Verdict.FAILED
    assert "not made by the canary" in found.detail

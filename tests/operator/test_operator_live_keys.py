"""Publication of the live keys by a running operator, and what it refuses to publish."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from operator_bench import World
from operator_facts import CREATED, resource
from simulacra.certificates import verify_absence
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import DATASETS, ApiResource, ClusterError, Object
from simulacra_crds.names import INSTALLATION_KEYS, system_namespace
from simulacra_custody.audit.certificates import statement_of
from simulacra_custody.audit.live_keys import LiveKey, LiveKeys
from simulacra_custody.wiring import open_certificates, open_live_keys
from simulacra_operator.scope import Scope
from simulacra_operator.tasks.sweep import Sweep


def has(live: LiveKeys, key: LiveKey) -> bool:
    return live.absence_proof(key) is None


async def test_erased_key_leaves_the_published_root_also_after_a_kill(world: World) -> None:
    await world.create_tenant()
    uid = (await world.upload("ds-1"))["metadata"]["uid"]
    tenant = (await world.cluster.get(kube.TENANTS, world.tenant))["metadata"]["uid"]
    published = open_live_keys(world.operator.env)

    async def root(key: LiveKey, *, live: bool) -> bool:
        newest = await asyncio.to_thread(published.newest)
        return newest is not None and has(newest[1], key) == live

    await world.until(lambda: root(("datasets", uid), live=True), 60, lambda: "key not published")
    assert await root(("tenants", tenant), live=True)
    await world.cluster.delete(kube.DATASETS, "ds-1", world.namespace)
    await world.gone(kube.DATASETS, "ds-1")
    world.operator.end(signal.SIGKILL)
    world.operator.start()
    kept = open_certificates(world.operator.env)
    entry = kept.find(tenant, uid)
    assert entry is not None
    signed = kept.read(tenant, entry)

    async def proof() -> Any:
        return await asyncio.to_thread(published.proof, statement_of(signed))

    found = await world.until(proof, 60, lambda: "no absence proof")
    keys = await world.cluster.get(kube.CONFIGMAPS, INSTALLATION_KEYS, system_namespace())
    certificate = {"signature": signed, "absence_proof": found}
    assert verify_absence(certificate, json.loads(keys["data"]["keys.json"])) is not None


async def test_listing_that_left_a_namespace_out_is_not_published() -> None:
    class Server:
        forbidden = False

        async def list(
            self, what: ApiResource, namespace: str | None = None
        ) -> AsyncIterator[Object]:
            if self.forbidden and namespace == "tenant-globex":
                raise ClusterError(403, "Forbidden", "")
            if what == DATASETS and namespace == "tenant-acme":
                yield resource("Dataset", "d", {}, {"wrappedKey": "local.key"}, uid="uid-d")

    server = Server()
    controller = SimpleNamespace(
        cluster=server,
        custody=None,
        scope=Scope(("tenant-acme", "tenant-globex")),
        now=lambda: CREATED,
        changed=lambda key: asyncio.sleep(0),
        is_erasing=lambda uid: False,
        listeners=[],
    )
    sweep = Sweep(controller)  # type: ignore[arg-type]
    assert sweep.listing is None
    await sweep.sweep()
    assert sweep.listing == (CREATED, frozenset({("datasets", "uid-d")}))
    server.forbidden = True
    await sweep.sweep()
    assert sweep.listing is None

"""Every field of every spec, changed while the operator runs (after Acto, SOSP'23).

A valid value has its effect, an invalid one is refused with a message, an immutable field stays,
and undoing the change restores the previous state. The points are the bounds in the schema
(`crd_rules`), each with a value on either side.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from crd_rules import Bound, bounds
from operator_bench import World, condition, hold, ready, reason
from simulacra_crds.crd_yaml import crd
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import ApiResource, ClusterError, Object
from simulacra_crds.registry import KINDS, WORK

FIXED_SPEC = {info.kind: info.fixed for info in WORK}
CRDS = {kind.model_fields["kind"].default: crd(kind) for kind in KINDS}
FIXED = {
    **FIXED_SPEC,
    "Dataset": (*FIXED_SPEC["Dataset"], "source", "tableDescription", "hold", "keepSource"),
}
NEVER_CHANGES = ("fixed", "cannot be changed", "can be set at creation only")
RAILS = (kube.SERVICE_ACCOUNTS, kube.RESOURCE_QUOTAS, kube.NETWORK_POLICIES)
Effect = Callable[[Object, Any], Awaitable[bool]]


@dataclass
class FieldSweep:
    """Changes each field of one settled object, and counts the results."""

    world: World
    kind: str
    name: str
    effects: dict[str, Effect] = field(default_factory=dict)
    converged: int = 0
    refused: int = 0
    held: int = 0

    @property
    def resource(self) -> ApiResource:
        return kube.CUSTOM[self.kind]

    @property
    def namespace(self) -> str | None:
        return self.world.namespace if self.resource.namespaced else None

    async def get(self) -> Object:
        return await self.world.cluster.get(self.resource, self.name, self.namespace)

    async def state(self) -> Object:
        """Return what undoing restores: the resource without times, and the objects of it."""
        found = await self.get()
        status = copy.deepcopy(found.get("status", {}))
        status.pop("observedGeneration", None)
        for one in status.get("conditions", ()):
            one.pop("observedGeneration", None)
            one.pop("lastTransitionTime", None)
        made: Object = {}
        if self.kind == "Tenant":
            inside = f"tenant-{self.name}"
            for rail in RAILS:
                async for one in self.world.cluster.list(rail, inside):
                    made[f"{rail.kind}/{one['metadata']['name']}"] = one.get("spec")
        elif self.namespace:
            async for job in self.world.cluster.list(kube.JOBS, self.namespace):
                made[job["metadata"]["name"]] = job["spec"].get("suspend")
        return {"spec": found["spec"], "status": status, "made": made}

    async def run(self, points: list[Bound]) -> None:
        before = await self.state()
        for point in points:
            top = point.name.split(":")[0].split(".")[1].removesuffix("[]")
            await self._refuse(point, top)
            valid = point.inside.get(top)
            if top == "retentionSeconds" and valid == 10:
                valid = 7200  # the smallest one would delete the resource at once
            await self._try(point, top, valid, before)

    async def _try(self, point: Bound, top: str, valid: Any, before: Object) -> None:
        there = await self.get()
        fixed = top in FIXED.get(self.kind, ()) or point.name.startswith("spec.encryption.provider")
        answer = await self._ask(top, valid)
        if isinstance(answer, ClusterError):
            assert fixed, f"{point.name}: a valid value was refused: {answer.message}"
            assert answer.status == 422
            assert any(word in answer.message for word in NEVER_CHANGES), answer.message
            assert (await self.get())["metadata"]["generation"] == there["metadata"]["generation"]
            self.held += 1
            return
        if answer["metadata"]["generation"] != there["metadata"]["generation"]:
            assert not fixed, f"{point.name}: an immutable field was changed"
        await self._wait(f"{point.name}: its effect", lambda: self._shows(top, valid))
        await self._set(top, there["spec"].get(top))
        await self._wait(f"{point.name}: the state before", lambda: self._is(before))
        self.converged += 1

    async def _refuse(self, point: Bound, top: str) -> None:
        there = await self.get()
        value = point.outside.get(top)
        if value is None and top not in there["spec"]:
            return
        answer = await self._ask(top, value)
        assert isinstance(answer, ClusterError), f"{point.name}: {value!r} was accepted"
        assert answer.status in (400, 422), point.name
        assert answer.message
        assert (await self.get())["metadata"]["generation"] == there["metadata"]["generation"]
        self.refused += 1

    async def _ask(self, top: str, value: Any) -> Object | ClusterError:
        try:
            return await self._set(top, value)
        except ClusterError as error:
            return error

    async def _set(self, top: str, value: Any) -> Object:
        """Replace one field of spec as a whole."""
        verb = {"op": "remove"} if value is None else {"op": "add", "value": value}
        patch = [{**verb, "path": f"/spec/{top}"}]
        return await self.world.cluster.patch(self.resource, self.name, patch, self.namespace)

    async def _shows(self, top: str, value: Any) -> bool:
        found = await self.get()
        if found["status"].get("observedGeneration") != found["metadata"]["generation"]:
            return False
        return top not in self.effects or await self.effects[top](found, value)

    async def _is(self, before: Object) -> bool:
        found = await self.get()
        observed = found["status"].get("observedGeneration") == found["metadata"]["generation"]
        return observed and await self.state() == before

    async def _wait(self, what: str, check: Callable[[], Awaitable[bool]]) -> None:
        await self.world.until(check, 60, lambda: f"{self.kind} {what}")


def points_of(kind: str) -> list[Bound]:
    schema = CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return list(bounds("spec", schema))


def tenant_effects(world: World, name: str) -> dict[str, Effect]:
    async def quotas(found: Object, value: Any) -> bool:
        quota = await world.cluster.get(kube.RESOURCE_QUOTAS, "simulacra", f"tenant-{name}")
        jobs = value.get("concurrentJobs", 4)
        return ready(found) and quota["spec"]["hard"]["count/jobs.batch"] == str(jobs + 64)

    async def suspend(found: Object, value: Any) -> bool:
        return reason("Suspended" if value else "Ready")(found)

    async def encryption(found: Object, value: Any) -> bool:
        # mode Customer needs links, which this store does not give out
        usable = value.get("mode", "Managed") == "Managed"
        return condition(found, "KeyReady").get("status") == str(usable)

    async def still(found: Object, value: Any) -> bool:
        return ready(found)

    rest = dict.fromkeys(("clients", "maxRetentionSeconds", "sources"), still)
    return {"quotas": quotas, "suspend": suspend, "encryption": encryption, **rest}


async def expires(found: Object, value: Any) -> bool:
    since = found["metadata"]["creationTimestamp"]
    if found["kind"] not in ("Dataset", "Model"):
        since = found["status"].get("finishedAt", since)
    return datetime.fromisoformat(found["status"]["expiresAt"]) == datetime.fromisoformat(
        since
    ) + timedelta(seconds=value)


async def pauses(found: Object, value: Any) -> bool:
    return bool(found["status"]["phase"] == ("Suspended" if value else "Running"))


async def fresh_tenant(world: World) -> FieldSweep:
    await world.create("Tenant", f"{world.tenant}-x", {"encryption": {}, "quotas": {}})
    await world.reaches(kube.TENANTS, f"{world.tenant}-x", ready, namespace=None)
    return FieldSweep(
        world, "Tenant", f"{world.tenant}-x", tenant_effects(world, f"{world.tenant}-x")
    )


@pytest.mark.timeout(600)
async def test_a_changed_field_of_each_kind_has_its_effect(world: World) -> None:
    """The short part of the test below."""
    chosen = (
        "concurrentJobs:minimum",
        "spec.suspend:type",
        "clients:maxItems",
        "encryption.keyArn:pattern",
    )
    sweep = await fresh_tenant(world)
    points = [point for point in points_of("Tenant") if point.name.endswith(chosen)]
    assert len(points) == len(chosen)
    await sweep.run(points)
    assert (sweep.converged, sweep.refused) == (4, 4)


@pytest.mark.reliability
@pytest.mark.timeout(1500)
async def test_every_changed_field_of_every_kind_has_its_effect(world: World) -> None:
    sweeps = [await fresh_tenant(world)]
    await world.create_tenant()
    made = {
        "Dataset": "ds-1",
        "Model": "mdl-1",
        "GenerationJob": "gen-1",
        "EffectEstimate": "eff-1",
        "SegmentEstimate": "seg-1",
        "AnswerSheet": "sht-1",
    }
    await world.upload("ds-1")
    await world.model("mdl-1", "ds-1")
    await world.generation("gen-1", "mdl-1", "ds-1")
    effect = {"modelRef": {"name": "mdl-1"}, "treatment": "a", "outcome": "b"}
    await world.create(
        "EffectEstimate", "eff-1", {**effect, "value": {"number": 1}, "baseline": {"number": 0}}
    )
    shares = {"modelRef": {"name": "mdl-1"}, "segment": [{"column": "a"}], "questions": ["b"]}
    await world.create("SegmentEstimate", "seg-1", shares)
    sheet = {"modelRef": {"name": "mdl-1"}, "outcome": "b"}
    await world.create("AnswerSheet", "sht-1", sheet)
    for kind, name in made.items():
        await world.reaches(kube.CUSTOM[kind], name, ready)
        sweeps.append(FieldSweep(world, kind, name, {"retentionSeconds": expires}))
    await world.create(
        "AccessRequest", "ar-1", {"company": "Acme", "contact": "ada@acme.example"}, finalizers=[]
    )
    await world.reaches(kube.ACCESS_REQUESTS, "ar-1", reason("AwaitingDecision"), namespace=None)
    sweeps.append(FieldSweep(world, "AccessRequest", "ar-1"))
    world.pods.plays["generate"] = hold
    await world.generation("gen-2", "mdl-1", "ds-1")
    await world.reaches(kube.GENERATION_JOBS, "gen-2", reason("JobRunning"))
    running = FieldSweep(
        world, "GenerationJob", "gen-2", {"retentionSeconds": expires, "suspend": pauses}
    )
    for sweep in (*sweeps, running):
        await sweep.run(
            [
                point
                for point in points_of(sweep.kind)
                if not point.name.startswith("spec.decision:enum")
            ]
        )
        assert sweep.converged > 3
        assert sweep.refused > 3
    counts = {
        f"{one.kind}/{one.name}": (one.converged, one.refused, one.held)
        for one in (*sweeps, running)
    }
    total = sum(sum(count) for count in counts.values())
    print(f"fields: {total} points; converged and reverted, refused, fixed: {counts}")  # noqa: T201
    await decide(world)


async def decide(world: World) -> None:
    """The one change that cannot be undone: each decision converges and is final."""
    for decision, then in (("Approved", "Ready"), ("Denied", "Denied")):
        name = f"ar-{decision.lower()}"
        await world.create(
            "AccessRequest", name, {"company": "Acme", "contact": "ada@acme.example"}, finalizers=[]
        )
        await world.cluster.patch(kube.ACCESS_REQUESTS, name, {"spec": {"decision": decision}})
        await world.reaches(kube.ACCESS_REQUESTS, name, reason(then), namespace=None)
        with pytest.raises(kube.Invalid, match="a decision is final"):
            await world.cluster.patch(kube.ACCESS_REQUESTS, name, {"spec": {"decision": "Pending"}})
        await world.cluster.delete(kube.ACCESS_REQUESTS, name)

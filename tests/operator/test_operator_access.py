"""An approved AccessRequest becomes a Tenant, once; other requests are deleted after 30 days."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from auth0_mock import SETTINGS, Auth0Mock
from operator_bench import Plane, World, condition, ready
from operator_facts import NOW, iso, ready_condition, resource
from simulacra.commands import admin
from simulacra_crds.auth0 import Auth0
from simulacra_crds.kube.client import ACCESS_REQUESTS, TENANTS, ClusterError, Object
from simulacra_operator.kinds.access_request import DELETED_AFTER, AccessObserved, reconcile
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.runtime.executor import Executor
from simulacra_operator.work import actions as act
from terminals import on_terminal

SPEC = {"company": "Acme Research GmbH & Co.", "contact": "ada@acme.example"}


def asked(decision: str, status: Object | None = None, **meta: Any) -> Object:
    body = resource(
        "AccessRequest",
        "ar-1",
        SPEC | {"decision": decision},
        status,
        namespace=None,
        finalizers=[],
    )
    body["metadata"] |= meta
    return body


def seen(body: Object, tenant: Object | None = None) -> AccessObserved:
    return AccessObserved(NOW, parse(body), parse(tenant) if tenant else None)


def kinds(actions: list[act.Action]) -> list[str]:
    return [type(one).__name__ for one in actions]


def settle(body: Object, tenant: Object | None = None) -> tuple[Object, Object | None, list[str]]:
    """Apply the actions until there are none; return the request, the Tenant and the actions."""
    done: list[str] = []
    for _ in range(5):
        actions = reconcile(seen(body, tenant))
        if not actions:
            return body, tenant, done
        done += kinds(actions)
        for one in actions:
            if isinstance(one, act.PatchStatus):
                body = copy.deepcopy(body)
                body["status"] |= one.patch
            if isinstance(one, act.EnsureObject):
                tenant = {**one.manifest, "metadata": {**one.manifest["metadata"], "uid": "uid-t"}}
    raise AssertionError(f"does not settle: {done}")


def test_a_pending_request_waits_for_a_person() -> None:
    body, tenant, done = settle(asked("Pending"))
    assert (done, tenant) == (["PatchStatus"], None)
    assert {one["type"]: one["reason"] for one in body["status"]["conditions"]}[
        "Ready"
    ] == "AwaitingDecision"


def test_a_denied_request_is_recorded_once_and_creates_nothing() -> None:
    body, tenant, done = settle(asked("Denied"))
    assert (done, tenant) == (["RecordDecision", "PatchStatus"], None)
    assert "tenant" not in body["status"]


def test_an_approved_request_becomes_a_tenant_with_a_client() -> None:
    body, tenant, done = settle(asked("Approved"))
    assert done == ["RecordDecision", "EnsureObject", "PatchStatus"]
    assert tenant is not None
    assert tenant["metadata"]["name"].startswith("acme-research-gmbh-co-")
    assert len(tenant["metadata"]["name"]) <= 40
    assert tenant["spec"]["clients"] == [body["status"]["clientId"]]
    assert body["status"]["tenant"] == tenant["metadata"]["name"]


def test_a_deleted_tenant_is_not_created_again() -> None:
    body, _, _ = settle(asked("Approved"))
    after, tenant, done = settle(body, None)
    assert (tenant, done) == (None, ["PatchStatus"])
    reasons = {one["type"]: one["reason"] for one in after["status"]["conditions"]}
    assert reasons["TenantReady"] == "TenantGone"
    assert after["status"]["tenant"] == body["status"]["tenant"]


def test_another_requests_tenant_is_not_taken_over() -> None:
    _, made, _ = settle(asked("Approved"))
    assert made is not None
    foreign = copy.deepcopy(made)
    foreign["metadata"]["labels"] = {}
    body, _, done = settle(asked("Approved"), foreign)
    assert "EnsureObject" not in done
    assert "clientId" not in body["status"]


def test_the_request_is_ready_once_its_tenant_is() -> None:
    body, tenant, _ = settle(asked("Approved"))
    assert tenant is not None
    tenant["status"] = {"conditions": [ready_condition("True", "Ready")]}
    after, _, _ = settle(body, tenant)
    assert {one["type"]: one["status"] for one in after["status"]["conditions"]}["Ready"] == "True"


@pytest.mark.parametrize(
    ("decision", "kept"), [("Pending", False), ("Denied", False), ("Approved", True)]
)
def test_a_request_without_a_tenant_is_deleted_after_30_days(decision: str, kept: bool) -> None:
    body, tenant, _ = settle(asked(decision))
    body["metadata"]["creationTimestamp"] = iso(NOW - DELETED_AFTER - timedelta(seconds=1))
    assert (kinds(reconcile(seen(body, tenant))) == ["DeleteResource"]) != kept


def test_a_request_is_deleted_some_time_after_its_tenant() -> None:
    """It holds a name and an address, and everything else of the person is erased."""
    body, _, _ = settle(asked("Approved"))
    assert body["status"]["tenant"]
    assert kinds(reconcile(seen(body, None))) == ["PatchStatus"], (
        "the condition explains for a while what happened"
    )
    body["metadata"]["creationTimestamp"] = iso(NOW - DELETED_AFTER - timedelta(seconds=1))
    assert kinds(reconcile(seen(body, None))) == ["DeleteResource"]


@pytest.mark.parametrize("company", ["日本", "--", "a" * 128, "A.B"])
def test_every_company_gets_a_valid_tenant_name(company: str) -> None:
    body = asked("Approved")
    body["spec"]["company"] = company
    _, tenant, _ = settle(body)
    assert tenant is not None
    parse({**tenant, "kind": "Tenant"})
    assert tenant["metadata"]["name"][0].isalnum()


def test_with_auth0_the_client_is_registered_before_the_tenant() -> None:
    body = asked("Approved")
    first = reconcile(AccessObserved(NOW, parse(body), None, external=True))
    assert kinds(first) == ["RecordDecision", "RegisterClient"]
    body["status"] = {"clientId": "aBcD1234"}
    then = reconcile(AccessObserved(NOW, parse(body), None, external=True))
    assert kinds(then) == ["EnsureObject"]
    (made,) = [one.manifest for one in then if isinstance(one, act.EnsureObject)]
    assert made["spec"]["clients"] == ["aBcD1234"]


async def test_the_registered_client_id_is_in_status(world: World) -> None:
    body = {
        "apiVersion": "simulacra.dev/v1alpha1",
        "kind": "AccessRequest",
        "metadata": {"name": "ar-auth0"},
    }
    made = await world.cluster.create(ACCESS_REQUESTS, body | {"spec": SPEC})
    edge = Auth0Mock()
    state: Any = SimpleNamespace(written=lambda key, version: None, auth0=Auth0(SETTINGS, edge))
    try:
        found = await world.reaches(
            ACCESS_REQUESTS, "ar-auth0", lambda one: condition(one, "Ready"), namespace=None
        )
        request = parse({"kind": "AccessRequest", **found})
        executor = Executor(world.cluster, world.custody, state, request)  # type: ignore[arg-type]
        await executor.run(act.RegisterClient("acme-1"))
        after = await world.cluster.get(ACCESS_REQUESTS, "ar-auth0")
        assert after["status"]["clientId"] == edge.clients[0]["client_id"]
        assert edge.clients[0]["client_metadata"] == {"access_request": made["metadata"]["uid"]}
    finally:
        await world.cluster.delete(ACCESS_REQUESTS, "ar-auth0")


async def test_a_request_approved_with_the_cli_becomes_a_ready_tenant(
    world: World, plane: Plane
) -> None:
    body = {
        "apiVersion": "simulacra.dev/v1alpha1",
        "kind": "AccessRequest",
        "metadata": {"name": "ar-real"},
    }
    await world.cluster.create(ACCESS_REQUESTS, body | {"spec": SPEC})
    try:
        waiting = await world.reaches(
            ACCESS_REQUESTS, "ar-real", lambda one: condition(one, "Ready"), namespace=None
        )
        assert condition(waiting, "Ready")["reason"] == "AwaitingDecision"
        listed = _admin(plane, "requests")
        assert [one["name"] for one in json.loads(listed.stdout)] == ["ar-real"]
        approved = json.loads(_admin(plane, "approve", "ar-real").stdout)
        done = await world.reaches(ACCESS_REQUESTS, "ar-real", ready, namespace=None)
        assert approved["decision"] == "Approved"
        assert approved["tenant"] == done["status"]["tenant"]
        made = await world.cluster.get(TENANTS, done["status"]["tenant"])
        assert ready(made)
        assert made["spec"]["clients"] == [done["status"]["clientId"]]
        assert [one["type"] for one in world.audit() if "access" in one["type"]] == [
            "dev.simulacra.access.approved"
        ]
        options = ("--kubeconfig", str(plane.kubeconfig))
        code, shown = on_terminal("admin", "approve", "ar-real", *options)
        assert (code, shown.splitlines()[0]) == (0, _words(SPEC))
        assert f"tenant is {approved['tenant']}." in shown
        again = _admin(plane, "deny", "ar-real")
        assert again.returncode == 1
        assert "final" in again.stderr
        assert _admin(plane, "approve", "nobody").returncode == 1
    finally:
        await world.cluster.delete(ACCESS_REQUESTS, "ar-real")
    with pytest.raises(ClusterError):
        await world.cluster.get(ACCESS_REQUESTS, "ar-real")


@pytest.mark.parametrize(
    ("said", "told"),
    [("", "is the operator running?"), ("This operator creates no Tenants.", "creates no Tenants")],
)
def test_approval_says_why_there_is_no_tenant(
    monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    status = {"conditions": [{"type": "TenantReady", "status": "False", "message": said}]}
    body = asked("Approved", status, creationTimestamp=iso(NOW))
    monkeypatch.setattr(admin, "kubectl", lambda *arguments: body)
    monkeypatch.setattr(admin, "TENANT_SECONDS", 0.0)
    done = CliRunner().invoke(admin.app, ["approve", "ar-1"])
    assert (done.exit_code, json.loads(done.stdout)["tenant"]) == (0, None)
    assert told in done.stderr


def _words(spec: dict[str, str]) -> str:
    return f"Approved: {spec['company']} ({spec['contact']})."


def _admin(plane: Plane, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("simulacra")), "admin", *arguments]
    kubeconfig = str(plane.kubeconfig)
    return subprocess.run(
        [*command, "--kubeconfig", kubeconfig], capture_output=True, text=True, timeout=60
    )

"""An operator with listed namespaces: what it reads, what it ignores, and who creates what."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import pytest

from operator_facts import NOW, iso, resource
from simulacra_crds.kinds.base import FINALIZER, LABEL_UID
from simulacra_crds.kube.client import CONFIGMAPS, DATASETS, TENANTS, Cluster, ClusterError
from simulacra_custody.keys.keyring import LocalKeyring
from simulacra_custody.service import Custody
from simulacra_custody.stores.local import LocalStore
from simulacra_operator.kinds.access_request import AccessObserved
from simulacra_operator.kinds.access_request import reconcile as reconcile_access
from simulacra_operator.kinds.tenant import manifests
from simulacra_operator.kinds.tenant.observe import KeyCheck, TenantObserved
from simulacra_operator.kinds.tenant.reconcile import reconcile
from simulacra_operator.observed.custom_resource import Key, parse
from simulacra_operator.runtime.controller import Controller
from simulacra_operator.runtime.metered_client import MeteredCluster
from simulacra_operator.scope import Scope
from simulacra_operator.settings import OperatorSettingsError, read_settings
from simulacra_operator.tasks.sweep import Sweep
from simulacra_operator.work import actions as act

LISTED = Scope(("tenant-acme",))
LABELS = {"simulacra.dev/tenant": "acme", "pod-security.kubernetes.io/enforce": "restricted"}


def test_the_scope_is_read_and_a_malformed_one_is_named() -> None:
    assert read_settings({"SIMULACRA_NAMESPACES": " tenant-b, tenant-a"}).scope.namespaces == (
        "tenant-a",
        "tenant-b",
    )
    assert read_settings({"SIMULACRA_NAMESPACES": ""}).scope.everywhere
    for wrong in ("acme", "tenant-acme,default", "tenant-A"):
        with pytest.raises(OperatorSettingsError, match="SIMULACRA_NAMESPACES is malformed"):
            read_settings({"SIMULACRA_NAMESPACES": wrong})
    with pytest.raises(
        OperatorSettingsError, match="SIMULACRA_WEBHOOK_ALLOW_PRIVATE must be true or false"
    ):
        read_settings({"SIMULACRA_WEBHOOK_ALLOW_PRIVATE": "yes"})
    assert read_settings({"SIMULACRA_AUDIT_DAYS": "90"}).audit_days == 90
    with pytest.raises(OperatorSettingsError, match="SIMULACRA_AUDIT_DAYS must be 30 to 36500"):
        read_settings({"SIMULACRA_AUDIT_DAYS": "29"})


def test_only_resources_of_listed_namespaces_are_served() -> None:
    served = [
        Key("Tenant", None, "acme"),
        Key("Dataset", "tenant-acme", "ds"),
        Key("AccessRequest", None, "ar"),
    ]
    others = [Key("Tenant", None, "globex"), Key("Dataset", "tenant-globex", "ds")]
    assert all(LISTED.serves(key) for key in served)
    assert not any(LISTED.serves(key) for key in others)
    assert all(Scope().serves(key) for key in served + others)
    assert (LISTED.tenants, Scope().tenants) == (frozenset({"acme"}), None)


async def test_a_list_of_everything_covers_the_listed_namespaces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str | None] = []

    async def listing(
        self: Cluster, resource: Any, namespace: str | None = None, **_: Any
    ) -> AsyncIterator[Any]:
        asked.append(namespace)
        yield {"in": namespace}

    monkeypatch.setattr(Cluster, "list", listing)
    cluster = MeteredCluster(None).within(Scope(("tenant-a", "tenant-b")))
    assert [one async for one in cluster.list(DATASETS)] == [{"in": "tenant-a"}, {"in": "tenant-b"}]
    assert [one async for one in cluster.list(CONFIGMAPS, "simulacra-system")] == [
        {"in": "simulacra-system"}
    ]
    assert [one async for one in cluster.list(TENANTS)] == [{"in": None}]
    assert [one async for one in MeteredCluster(None).list(DATASETS)] == [{"in": None}]


class Unreadable:
    """A controller on a cluster where one listed namespace is forbidden."""

    custody = None
    scope = Scope(("tenant-a", "tenant-b"))

    def __init__(self, status: int) -> None:
        self.cluster, self._status = self, status
        self.listeners: list[Any] = []

    def now(self) -> datetime:
        return NOW

    async def changed(self, key: Key) -> None:
        pass

    async def list(self, resource: Any, namespace: str | None = None) -> AsyncIterator[Any]:
        if namespace == "tenant-a":
            raise ClusterError(self._status, "Forbidden", "no")
        if resource == DATASETS:
            yield resource_in(namespace)


def resource_in(namespace: str | None) -> Any:
    return resource("Dataset", "ds-1", namespace=namespace)


async def test_a_forbidden_namespace_does_not_block_the_others() -> None:
    snapshot = await Sweep(cast(Controller, Unreadable(403)))._list()
    assert [one.key.namespace for one in snapshot.seen.values()] == ["tenant-b"]
    with pytest.raises(ClusterError):  # another error is not ignored
        await Sweep(cast(Controller, Unreadable(500)))._list()


def test_objects_of_unserved_tenants_are_no_orphans(
    store: LocalStore, keyring: LocalKeyring
) -> None:
    from simulacra_custody.refs import ResourceRef
    from simulacra_custody.stores.owner import StoreOwner

    custody, kept = Custody(store, keyring), ResourceRef("globex", "datasets", "u1")
    for ref in (ResourceRef("acme", "datasets", "u1"), kept):
        custody.write(ref.artifact("upload"), custody.new_resource_key(ref), [b"x"])
    time.sleep(0.01)
    report = custody.sweep_orphans(
        frozenset(), StoreOwner(store, "ours"), tenants=LISTED.tenants, min_age_s=0
    )
    assert [one.tenant for one in report.resources] == ["acme"]
    assert [info.key for info in store.list("tenants/")] == [kept.artifact("upload").key]


@pytest.fixture
def keyring(tmp_path: Any) -> LocalKeyring:
    made = LocalKeyring(tmp_path / "keys.json")
    for tenant in ("acme", "globex"):
        made.create_tenant_key(tenant)
    return made


@pytest.fixture
def store(tmp_path: Any) -> LocalStore:
    return LocalStore(tmp_path / "store")


def tenant(labels: dict[str, str] | None = LABELS, **meta: Any) -> TenantObserved:
    """Return a Tenant in a prepared namespace with these labels, or without one."""
    subject = parse(resource("Tenant", "acme", {}, None, namespace=None, **meta))
    namespace = (
        None
        if labels is None
        else {"metadata": {"name": "tenant-acme", "uid": "u", "labels": labels}}
    )
    rails = tuple(
        body
        for _, body in manifests.guard_rails(subject, TenantObserved(NOW, subject).access, None)
    )
    return TenantObserved(
        NOW, subject, namespace, prepared=True, objects=rails, check=KeyCheck(NOW, None)
    )


def namespace_ready(seen: TenantObserved) -> tuple[str, str]:
    (patch,) = [one.patch for one in reconcile(seen) if isinstance(one, act.PatchStatus)]
    found = next(one for one in patch["conditions"] if one["type"] == "NamespaceReady")
    return found["status"], found.get("message", "")


def test_a_prepared_namespace_is_not_changed() -> None:
    assert namespace_ready(tenant()) == ("True", "")
    assert not any(isinstance(one, act.EnsureObject) for one in reconcile(tenant()))


@pytest.mark.parametrize("labels", [None, {}, {**LABELS, "simulacra.dev/tenant": "globex"}])
def test_missing_labels_of_a_namespace_are_reported_not_set(labels: dict[str, str] | None) -> None:
    status, message = namespace_ready(tenant(labels))
    assert status == "False"
    assert "create tenant-acme, or label it, with simulacra.dev/tenant=acme" in message
    assert not any(isinstance(one, act.EnsureObject) for one in reconcile(tenant(labels)))


def made_with_uid(manifest: Any, number: int) -> Any:
    return {**manifest, "metadata": {**manifest["metadata"], "uid": f"uid-{number}"}}


def test_only_objects_that_the_operator_created_are_labeled() -> None:
    rails = manifests.guard_rails(tenant().resource, tenant().access, None)
    found = {**rails[0][1], "automountServiceAccountToken": True}
    made = [
        one
        for one in reconcile(replace(tenant(), objects=(found,)))
        if isinstance(one, act.EnsureObject)
    ]
    marks = {
        one.manifest["metadata"]["name"]: one.manifest["metadata"]["labels"].get(LABEL_UID)
        for one in made
    }
    assert marks.pop("simulacra-trainer") is None, "repaired, but owned by somebody else"
    assert marks == dict.fromkeys(
        ("simulacra", "simulacra-default-deny", "simulacra-workers"), "uid-1"
    )


def test_in_a_prepared_namespace_the_operator_keeps_the_finalizer() -> None:
    assert reconcile(tenant(finalizers=["other"])) == [
        act.PatchMeta({"finalizers": ["other", FINALIZER]})
    ]
    dying = tenant(finalizers=["other", FINALIZER], deletionTimestamp=iso(NOW))
    rails = manifests.guard_rails(dying.resource, dying.access, {})
    left = tuple((kind, made_with_uid(one, at)) for at, (kind, one) in enumerate(rails))
    first = reconcile(replace(dying, left=left))
    assert [type(one).__name__ for one in first[:2]] == ["PatchStatus", "DestroyTenantKey"]
    assert [
        (one.resource, one.namespace, one.uid)
        for one in first[2:]
        if isinstance(one, act.DeleteObject)
    ] == [(kind, "tenant-acme", f"uid-{at}") for at, (kind, _) in enumerate(rails)]
    assert len(first) == 2 + len(rails), "no record before they are deleted"
    kinds = [type(one).__name__ for one in reconcile(dying)]
    assert kinds == ["PatchStatus", "DestroyTenantKey", "RecordTenantErased", "PatchMeta"]
    assert reconcile(dying)[-1] == act.PatchMeta({"finalizers": ["other"]})


def test_an_approved_request_names_the_tenant_to_create() -> None:
    spec = {"company": "Acme", "contact": "ada@acme.example", "decision": "Approved"}
    seen = AccessObserved(
        NOW, parse(resource("AccessRequest", "ar", spec, None, namespace=None)), prepared=True
    )
    actions = reconcile_access(seen)
    (patch,) = [one.patch for one in actions if isinstance(one, act.PatchStatus)]
    message = next(one for one in patch["conditions"] if one["type"] == "TenantReady")["message"]
    assert (
        f"create Tenant {seen.tenant_name} with the label "
        f"simulacra.dev/uid=uid-1 and {seen.client_id}" in message
    )
    assert not any(isinstance(one, act.EnsureObject) for one in actions)

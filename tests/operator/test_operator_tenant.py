"""Decisions for a tenant: creation, repair, key checks and erasure."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from operator_facts import NOW, ended, iso, ready_condition, resource
from simulacra_crds.kinds.base import ANNOTATION_KEY_LOST
from simulacra_crds.kube.client import Object
from simulacra_custody.errors import KeyMissing
from simulacra_custody.keys.keyring import LocalKeyring
from simulacra_custody.keys.tenant_keys import TenantKeys
from simulacra_operator.kinds.tenant import manifests
from simulacra_operator.kinds.tenant.observe import KeyCheck, TenantObserved
from simulacra_operator.kinds.tenant.reconcile import reconcile
from simulacra_operator.observed.custom_resource import CustomResource, parse
from simulacra_operator.observed.observe import Fault
from simulacra_operator.pod_access import PodAccess
from simulacra_operator.runtime.eraser import TenantEraser
from simulacra_operator.work import actions as act

GOOD, BAD = KeyCheck(NOW, None), KeyCheck(NOW, "decrypt")


def body(spec: Object | None = None, status: Object | None = None, **meta: Any) -> Object:
    return resource("Tenant", "acme", spec or {}, status, namespace=None, **meta)


def complete(wanted: Object | None = None, **facts: Any) -> TenantObserved:
    """Return a tenant with all its objects."""
    tenant = parse(body() if wanted is None else wanted)
    namespace = manifests.namespace(tenant)
    namespace["metadata"] |= {"uid": "uid-ns"}
    keep = manifests.guard_rails(tenant, facts.get("access", PodAccess()), facts.get("environment"))
    rails = tuple(manifest for _, manifest in keep)
    defaults = {"namespace": namespace, "objects": rails, "check": GOOD}
    return TenantObserved(NOW, tenant, **{**defaults, **facts})


def kinds(actions: list[act.Action]) -> list[str]:
    return [type(one).__name__ for one in actions]


def findings(actions: list[act.Action]) -> dict[str, tuple[str, str]]:
    patches = [one.patch for one in actions if isinstance(one, act.PatchStatus)]
    (patch,) = [one for one in patches if "conditions" in one]
    return {one["type"]: (one["status"], one["reason"]) for one in patch["conditions"]}


def test_a_new_tenant_gets_its_namespace_and_its_key() -> None:
    actions = reconcile(TenantObserved(NOW, parse(body())))
    assert kinds(actions) == ["PatchStatus", "EnsureObject", "CreateTenantKey", "CheckTenantKey"]
    assert {name: status for name, (status, _) in findings(actions).items()} == {
        "KeyReady": "Unknown",
        "NamespaceReady": "False",
        "Ready": "False",
    }


@pytest.mark.parametrize("name", ["a" * 57, "a.b"])
def test_a_tenant_with_an_invalid_name_gets_no_namespace(name: str) -> None:
    def called(**meta: Any) -> CustomResource:
        return parse(resource("Tenant", name, {}, namespace=None, **meta))

    actions = reconcile(TenantObserved(NOW, called()))
    assert kinds(actions) == ["PatchStatus", "CreateTenantKey", "CheckTenantKey"]
    assert findings(actions)["NamespaceReady"] == ("False", "RequestInvalid")
    assert (
        kinds(reconcile(TenantObserved(NOW, called(deletionTimestamp="2026-03-01T12:00:00Z"))))[-1]
        == "ReleaseFinalizer"
    )


def test_a_namespace_under_restricted_pod_security_gets_its_guard_rails() -> None:
    actions = reconcile(complete(objects=()))
    assert [one.manifest["kind"] for one in actions if isinstance(one, act.EnsureObject)] == [
        "ServiceAccount",
        "ResourceQuota",
        "NetworkPolicy",
        "NetworkPolicy",
    ]
    labels = manifests.namespace(parse(body()))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_complete_tenant_is_ready_and_needs_no_further_action() -> None:
    actions = reconcile(complete())
    assert findings(actions)["Ready"] == ("True", "Ready")
    (patch,) = actions
    assert isinstance(patch, act.PatchStatus)
    assert reconcile(complete(body(status=patch.patch))) == []


def test_limits_of_compute_come_and_go_with_the_setting() -> None:
    access = PodAccess(compute=(("requests.cpu", "16"), ("requests.memory", "64Gi")))

    def quota(access: PodAccess) -> Object:
        rails = manifests.guard_rails(parse(body()), access, None)
        return next(one for _, one in rails if one["kind"] == "ResourceQuota")

    limited, free = quota(access), quota(PodAccess())
    assert limited["spec"]["hard"].items() >= {"requests.cpu": "16", "pods": "32"}.items()
    assert manifests.change(limited, limited) is None
    patch = manifests.change(free, limited)
    assert patch is not None
    assert patch["spec"]["hard"].items() >= {"requests.cpu": None, "requests.memory": None}.items()
    by_hand = copy.deepcopy(free)
    by_hand["spec"]["hard"]["requests.cpu"] = "3"
    assert manifests.change(free, by_hand) is None, "an administrator's own limit stays"


def test_workers_of_fits_reach_only_each_other_on_their_ports() -> None:
    actions = reconcile(complete(objects=()))
    made = [one.manifest for one in actions if isinstance(one, act.EnsureObject)]
    policies = {
        one["metadata"]["name"]: one["spec"] for one in made if one["kind"] == "NetworkPolicy"
    }
    workers = {"matchExpressions": [{"key": "simulacra.dev/workers", "operator": "Exists"}]}
    ports = [{"protocol": "TCP", "port": 29500, "endPort": 29999}]
    assert policies["simulacra-workers"] == {
        "podSelector": workers,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": workers}], "ports": ports}],
        "egress": [{"to": [{"podSelector": workers}], "ports": ports}],
    }


def test_a_changed_guard_rail_is_repaired() -> None:
    seen = complete()
    changed = copy.deepcopy(seen.objects)
    changed[1]["spec"]["hard"]["pods"] = "1000"
    (action,) = [
        one
        for one in reconcile(replace(seen, objects=changed))
        if isinstance(one, act.EnsureObject)
    ]
    assert (action.manifest["kind"], action.exists) == ("ResourceQuota", True)


def test_a_foreign_namespace_is_never_changed() -> None:
    foreign = {"metadata": {"name": "tenant-acme", "uid": "uid-x", "labels": {}}}
    actions = reconcile(complete(namespace=foreign))
    assert findings(actions)["NamespaceReady"] == ("False", "Internal")
    assert kinds(actions) == ["PatchStatus"]
    dying = reconcile(complete(body(deletionTimestamp=iso(NOW)), namespace=foreign))
    assert "DeleteObject" not in kinds(dying)


def test_a_failed_key_check_names_its_step_and_is_repeated_soon() -> None:
    actions = reconcile(complete(check=BAD))
    assert findings(actions)["KeyReady"] == ("False", "KeyCheckFailed")
    later = replace(complete(check=BAD), now=NOW + timedelta(seconds=20))
    assert "CheckTenantKey" in kinds(reconcile(later))


@pytest.mark.parametrize("status", ["True", "False"])
def test_a_key_is_never_created_twice(status: str) -> None:
    known = {**ready_condition(status, "KeyAvailable"), "type": "KeyReady"}
    actions = reconcile(complete(body(status={"conditions": [known]}), check=None))
    assert "CheckTenantKey" in kinds(actions)
    assert "CreateTenantKey" not in kinds(actions)


def test_a_deletion_says_what_keeps_the_namespace() -> None:
    """A finalizer of another controller, for example, which only its owner can end."""
    dying = complete(body(deletionTimestamp=iso(NOW)))
    assert dying.namespace is not None
    ending = dying.namespace | {"status": {"conditions": []}}
    ending["metadata"]["deletionTimestamp"] = iso(NOW)
    for status, message in (
        ("True", "Some content in the namespace has finalizers remaining: x.example/y in 1"),
        ("False", "All content successfully deleted"),
    ):
        ending["status"]["conditions"].append({"status": status, "message": message})
    actions = reconcile(replace(dying, namespace=ending))
    (patch,) = [one for one in actions if isinstance(one, act.PatchStatus)]
    (told,) = patch.patch["conditions"]
    assert (told["reason"], told["message"]) == (
        "Erasing",
        "The namespace is not gone yet. "
        "Some content in the namespace has finalizers remaining: x.example/y in 1",
    )


def test_a_suspended_tenant_is_not_ready() -> None:
    assert findings(reconcile(complete(body({"suspend": True}))))["Ready"] == ("False", "Suspended")


def test_a_tenant_is_erased_in_order() -> None:
    dying = body(deletionTimestamp=iso(NOW))
    going = ended("Model", "mdl-1", deletionTimestamp=iso(NOW))
    first = reconcile(complete(dying, dependants=(ended("Dataset", "ds-1"), going)))
    assert kinds(first) == ["PatchStatus", "DeleteResource"]
    then = reconcile(complete(dying))
    assert kinds(then) == ["PatchStatus", "DestroyTenantKey", "DeleteObject"]
    ending = complete(dying).namespace
    assert ending is not None
    ending["metadata"]["deletionTimestamp"] = iso(NOW)
    assert kinds(reconcile(complete(dying, namespace=ending))) == [
        "PatchStatus",
        "DestroyTenantKey",
    ]
    shredded = {
        "status": "False",
        "reason": "Erasing",
        "message": "",
        "lastTransitionTime": iso(NOW),
        "type": "Ready",
    }
    status = {"erasure": {"keyShreddedAt": iso(NOW)}, "conditions": [shredded]}
    waiting = body(status={**status, "observedGeneration": 1}, deletionTimestamp=iso(NOW))
    waiting["status"]["conditions"][0]["observedGeneration"] = 1
    assert reconcile(complete(waiting, namespace=ending)) == [], (
        "a terminating namespace is waited for without actions"
    )
    last = reconcile(complete(dying, namespace=None))
    assert kinds(last) == [
        "PatchStatus",
        "DestroyTenantKey",
        "RecordTenantErased",
        "ReleaseFinalizer",
    ]


def test_a_key_that_was_checked_stays_on_record_while_calls_fail() -> None:
    known = {**ready_condition("True", "KeyAvailable"), "type": "KeyReady"}
    seen = complete(body(status={"conditions": [known]}), check=None, fault=Fault.CLUSTER)
    assert findings(reconcile(seen))["KeyReady"] == ("True", "KeyAvailable")
    new = complete(body(), check=None, fault=Fault.KEYS)
    assert findings(reconcile(new))["KeyReady"] == ("Unknown", "KeyCheckFailed")


@pytest.mark.parametrize("known", ["recorded", "lost", "denied", ""])
async def test_a_key_that_is_not_found_is_not_certified_as_destroyed(
    tmp_path: Path, known: str
) -> None:
    """Its keyring's volume may not be mounted; a record tells that an earlier pass destroyed it."""
    checked = {**ready_condition("True", "KeyAvailable"), "type": "KeyReady"}
    notes = {ANNOTATION_KEY_LOST: "true" if known == "lost" else "false"} if known else {}
    meta = {"deletionTimestamp": iso(NOW), "annotations": notes}
    dying, written = body(status={"conditions": [checked]}, **meta), list[Object]()

    class Custody:
        """Custody without a keyring file, and an audit log that may have the destruction."""

        keys = TenantKeys({"local": LocalKeyring(tmp_path / "keyring.json")})

        async def run(self, _: str, call: Callable[[str], bool], tenant: str) -> bool:
            return call(tenant)

        async def is_recorded(self, *_: object) -> bool:
            return known == "recorded"

    async def patch(status: Object) -> None:
        written.append(status)

    eraser = TenantEraser(Custody(), None, parse(dying), patch, lambda: NOW)  # type: ignore[arg-type]
    goes_on = known in ("recorded", "lost")
    with nullcontext() if goes_on else pytest.raises(KeyMissing):
        await eraser.shred()
    shredded = {"keyShreddedAt": iso(NOW.replace(microsecond=0))} if known == "recorded" else {}
    assert written == ([{"erasure": shredded}] if goes_on else [])


def test_a_deletion_without_its_key_says_what_to_do() -> None:
    (patch, *_) = reconcile(complete(body(deletionTimestamp=iso(NOW)), fault=Fault.MISSING_KEY))
    assert isinstance(patch, act.PatchStatus)
    (blocked,) = patch.patch["conditions"]
    assert blocked["reason"] == "ErasureBlocked"
    assert f"annotate the Tenant with {ANNOTATION_KEY_LOST}=true" in blocked["message"]


@pytest.mark.parametrize("key", [False, True])
async def test_a_tenants_key_is_destroyed_and_noted_once(key: bool) -> None:
    class Custody:
        """Custody with a key that exists in the first check only."""

        keys = SimpleNamespace(has_tenant_key=None, destroy_tenant_key=None)
        asked = 0

        async def run(self, verb: str, call: None, tenant: str) -> bool:
            if verb == "destroyKey":
                assert key
                return True
            assert verb == "hasKey"
            self.asked += 1
            return key and self.asked == 1

        async def record(self, event: object, tenant: str, event_id: str) -> None:
            assert key
            assert event_id

    async def patch(status: Object) -> None:
        dying["status"] |= status
        written.append(status)

    custody, written = Custody(), list[Object]()
    dying = body(deletionTimestamp=iso(NOW))
    ending = complete(dying).namespace
    assert ending is not None
    ending["metadata"]["deletionTimestamp"] = iso(NOW)
    for _ in range(2):
        eraser = TenantEraser(custody, None, parse(dying), patch, lambda: NOW)  # type: ignore[arg-type]
        await eraser.shred()
    assert [list(one["erasure"]) for one in written] == [["keyShreddedAt"] if key else []]
    assert "DestroyTenantKey" not in kinds(reconcile(complete(dying, namespace=ending)))


def test_a_blocked_erasure_has_its_own_reason() -> None:
    actions = reconcile(complete(body(deletionTimestamp=iso(NOW)), fault=Fault.AUDIT))
    assert findings(actions)["Ready"] == ("False", "ErasureBlocked")


KEY_ARN = "arn:aws:kms:eu-central-1:111122223333:key/0d1c2b3a-0000-4000-8000-000000000000"


def test_the_key_is_created_with_the_tenants_provider() -> None:
    actions = reconcile(TenantObserved(NOW, parse(body({"encryption": {"provider": "vault"}}))))
    assert [one.provider for one in actions if isinstance(one, act.CreateTenantKey)] == ["vault"]


def test_a_changed_customer_key_is_checked_at_once() -> None:
    wanted = body({"encryption": {"mode": "Customer", "keyArn": KEY_ARN}})
    (check,) = [one for one in reconcile(complete(wanted)) if isinstance(one, act.CheckTenantKey)]
    assert check.encryption.key_arn == KEY_ARN
    same = replace(GOOD, encryption=check.encryption)
    assert "CheckTenantKey" not in kinds(reconcile(complete(wanted, check=same)))


@pytest.mark.parametrize(
    ("spec", "due"), [({}, False), ({"mode": "Customer", "keyArn": KEY_ARN}, True)]
)
def test_a_customers_key_is_checked_more_often(spec: dict[str, str], due: bool) -> None:
    wanted = body({"encryption": spec})
    subject = complete(wanted).resource
    assert subject.spec is not None
    same = replace(GOOD, encryption=subject.spec.encryption)
    later = replace(complete(wanted, check=same), now=NOW + timedelta(seconds=61))
    assert ("CheckTenantKey" in kinds(reconcile(later))) is due


def test_the_failed_step_of_a_customers_key_is_in_the_message() -> None:
    seen = complete(check=replace(GOOD, failed_step="customer refuse"))
    (patch,) = [one.patch for one in reconcile(seen) if isinstance(one, act.PatchStatus)]
    (condition,) = [one for one in patch["conditions"] if one["type"] == "KeyReady"]
    assert condition["status"] == "False"
    assert "customer refuse" in condition["message"]


ACCESS = PodAccess(
    secret="credentials",
    annotations=(("eks.amazonaws.com/role-arn", "arn:aws:iam::111122223333:role/simulacra"),),
    egress=({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 443}]},),
)
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "QUtJQQ==", "AWS_SECRET_ACCESS_KEY": "c2VjcmV0"}


def ensured(seen: TenantObserved) -> dict[str, Object]:
    made = [one.manifest for one in reconcile(seen) if isinstance(one, act.EnsureObject)]
    return {one["kind"]: one for one in made if one["metadata"]["name"] != "simulacra-workers"}


def test_pods_get_a_secret_an_identity_and_egress() -> None:
    made = ensured(complete(objects=(), access=ACCESS, environment=ENVIRONMENT))
    assert made["Secret"]["data"] == ENVIRONMENT
    assert made["Secret"]["metadata"]["namespace"] == "tenant-acme"
    assert made["ServiceAccount"]["metadata"]["annotations"].items() >= set(ACCESS.annotations)
    assert made["NetworkPolicy"]["spec"]["egress"] == list(ACCESS.egress)


def test_defaults_of_the_api_server_are_no_change() -> None:
    seen = complete(access=ACCESS, environment=ENVIRONMENT)
    filled = copy.deepcopy(seen.objects)
    filled[2]["spec"]["egress"][0]["ports"][0]["protocol"] = "TCP"
    assert ensured(replace(seen, objects=filled)) == {}


def test_the_copied_secret_keeps_no_removed_key() -> None:
    seen = complete(access=ACCESS, environment=ENVIRONMENT)
    turned = {"AWS_ACCESS_KEY_ID": "bmV3", "VAULT_TOKEN": "cy4x"}
    patch = ensured(replace(seen, environment=turned))["Secret"]
    assert patch["data"] == {**turned, "AWS_SECRET_ACCESS_KEY": None}
    assert ensured(replace(seen, access=PodAccess(), environment={}))["Secret"][
        "data"
    ] == dict.fromkeys(ENVIRONMENT)


def test_removed_egress_is_closed() -> None:
    seen = complete(access=ACCESS, environment=ENVIRONMENT)
    assert (
        ensured(replace(seen, access=replace(ACCESS, egress=())))["NetworkPolicy"]["spec"]["egress"]
        == []
    )


def test_a_removed_identity_is_withdrawn_and_nothing_else() -> None:
    seen = complete(access=ACCESS, environment=ENVIRONMENT)
    account = copy.deepcopy(seen.objects[0])
    account["metadata"]["annotations"]["others.example/note"] = "kept"
    there = replace(seen, objects=(account, *seen.objects[1:]))
    assert ensured(there) == {}
    patch = ensured(
        replace(there, access=replace(ACCESS, annotations=(("iam.example/role", "reader"),)))
    )
    notes = patch["ServiceAccount"]["metadata"]["annotations"]
    assert (notes["eks.amazonaws.com/role-arn"], notes["iam.example/role"]) == (None, "reader")
    none = ensured(replace(there, access=replace(ACCESS, annotations=())))["ServiceAccount"][
        "metadata"
    ]["annotations"]
    assert none == {"eks.amazonaws.com/role-arn": None, manifests.GIVEN: None}
    left = {
        name: note for name, note in account["metadata"]["annotations"].items() if name not in none
    }
    account["metadata"]["annotations"] = left
    assert ensured(replace(there, access=replace(ACCESS, annotations=()))) == {}


def test_a_missing_pod_secret_is_named() -> None:
    (patch,) = [
        one.patch for one in reconcile(complete(access=ACCESS)) if isinstance(one, act.PatchStatus)
    ]
    (condition,) = [one for one in patch["conditions"] if one["type"] == "NamespaceReady"]
    assert condition["status"] == "False"
    assert "Secret credentials, named by SIMULACRA_POD_SECRET" in condition["message"]


def test_no_credential_is_in_the_repr_of_an_action() -> None:
    seen = complete(objects=(), access=ACCESS, environment=ENVIRONMENT)
    assert "c2VjcmV0" not in repr(seen) + repr(reconcile(seen))


@pytest.mark.parametrize(
    ("jobs", "hard"), [(4, ("68", "32")), (125, ("189", "1k")), (936, ("1k", "7488"))]
)
def test_a_quota_has_the_form_that_the_api_server_stores(jobs: int, hard: tuple[str, str]) -> None:
    """It stores 1000 as 1k: any other form would differ, and the tenant never be Ready."""
    tenant = parse(
        resource("Tenant", "acme", {"quotas": {"concurrentJobs": jobs}}, None, namespace=None)
    )
    rails = {body["kind"]: body for _, body in manifests.guard_rails(tenant, PodAccess(), None)}
    wanted = rails["ResourceQuota"]["spec"]["hard"]
    assert (wanted["count/jobs.batch"], wanted["pods"]) == hard

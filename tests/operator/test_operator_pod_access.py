"""Access of pods to store and keys: settings, Jobs, and the copied Secret."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from operator_bench import World, ready
from operator_facts import SETTINGS, SPECS, observed, resource
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Object
from simulacra_crds.names import system_namespace
from simulacra_operator.pod_access import PodAccess
from simulacra_operator.runtime.planner import RECONCILERS
from simulacra_operator.settings import OperatorSettingsError, read_settings
from simulacra_operator.work import actions as act

reconcile = RECONCILERS["Dataset"]

RULE = {"to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}], "ports": [{"protocol": "TCP", "port": 8333}]}


def pod(access: PodAccess) -> Object:
    """Return the pod of a Dataset's Job."""
    body = resource("Dataset", "ds-1", SPECS["Dataset"], {"wrappedKey": "key"})
    seen = observed(body, settings=replace(SETTINGS, pod_access=access))
    (job,) = [one.manifest for one in reconcile(seen) if isinstance(one, act.CreateJob)]
    spec: Object = job["spec"]["template"]["spec"]
    return spec


def test_a_pod_references_the_secret_by_name() -> None:
    (container,) = pod(PodAccess(secret="credentials"))["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "simulacra-pods"}}]
    assert {one["name"] for one in container["env"]} == {
        "SIMULACRA_TASK",
        "SIMULACRA_STORE",
        "SIMULACRA_LOG_FIELDS",
    }


def test_a_pod_has_a_token_only_with_an_audience() -> None:
    assert [one["name"] for one in pod(PodAccess())["volumes"]] == ["tmp"]
    spec = pod(PodAccess(audience="vault"))
    (token,) = spec["volumes"][1]["projected"]["sources"]
    assert token == {
        "serviceAccountToken": {"audience": "vault", "expirationSeconds": 3600, "path": "token"}
    }
    (_, mount) = spec["containers"][0]["volumeMounts"]
    assert mount == {
        "name": "identity",
        "mountPath": "/var/run/secrets/simulacra.dev",
        "readOnly": True,
    }
    assert spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"cpu": 16, "memory": "64Gi", "gpu": "2"}, ("16", "64Gi", "2")),
        ({"cpu": "2000", "memory": "2048Mi", "gpu": 3}, ("2k", "2Gi", "3")),
        ({"cpu": "1", "memory": "1024Gi", "gpu": 1}, ("1", "1Ti", "1")),
    ],
)
def test_a_tenants_compute_is_read_as_the_api_server_stores_it(
    given: Object, stored: tuple[str, ...]
) -> None:
    """Another form would differ from the stored one, and the tenant never be Ready."""
    read = read_settings({"SIMULACRA_TENANT_COMPUTE": json.dumps(given)}).pod_access.compute
    names = ("requests.cpu", "requests.memory", "requests.nvidia.com/gpu")
    assert read == tuple(zip(names, stored, strict=True))
    empty = read_settings({"SIMULACRA_TENANT_COMPUTE": '{"cpu":"","gpu":"","memory":""}'})
    assert empty.pod_access.compute == ()


def test_the_four_settings_of_pod_access_are_read() -> None:
    env = {
        "SIMULACRA_POD_SECRET": "credentials",
        "SIMULACRA_TRAINER_SA_ANNOTATIONS": '{"a/b": "c"}',
        "SIMULACRA_POD_TOKEN_AUDIENCE": "vault",
        "SIMULACRA_POD_EGRESS": json.dumps([RULE]),
    }
    assert read_settings(env).pod_access == PodAccess(
        "credentials", (("a/b", "c"),), "vault", (RULE,)
    )
    assert read_settings({}).pod_access == PodAccess()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIMULACRA_TENANT_COMPUTE", "16"),
        ("SIMULACRA_TENANT_COMPUTE", '{"cpu": "half"}'),
        ("SIMULACRA_TENANT_COMPUTE", '{"memory": 64}'),
        ("SIMULACRA_TENANT_COMPUTE", '{"disk": "64Gi"}'),
        ("SIMULACRA_TRAINER_SA_ANNOTATIONS", "role"),
        ("SIMULACRA_TRAINER_SA_ANNOTATIONS", '{"a": 1}'),
        ("SIMULACRA_POD_EGRESS", "10.0.0.0/8"),
        ("SIMULACRA_POD_EGRESS", "[{}]"),
        ("SIMULACRA_POD_EGRESS", '[{"ports": [{"port": 443}]}]'),
        ("SIMULACRA_POD_EGRESS", '[{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "from": []}]'),
    ],
)
def test_a_malformed_pod_access_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(OperatorSettingsError, match=f"{name} is malformed: set it to a JSON"):
        read_settings({name: value})


async def test_the_copied_secret_follows_its_source(world: World) -> None:
    await world.create_tenant()
    source: Object = {
        "metadata": {"name": "simulacra-pods"},
        "stringData": {"AWS_ACCESS_KEY_ID": "id", "OLD": "1"},
    }
    await world.cluster.create(kube.SECRETS, source, system_namespace())
    try:
        world.operator.end()
        rules = json.dumps([RULE])
        world.operator.extra = {
            "SIMULACRA_POD_SECRET": "simulacra-pods",
            "SIMULACRA_POD_EGRESS": rules,
        }
        world.operator.start()
        await world.reaches(
            kube.SECRETS, "simulacra-pods", lambda one: _plain(one) == source["stringData"]
        )
        await world.reaches(kube.TENANTS, world.tenant, ready, namespace=None)
        policy = await world.cluster.get(
            kube.NETWORK_POLICIES, "simulacra-default-deny", world.namespace
        )
        assert policy["spec"]["egress"] == [RULE]
        patch = {"data": {"OLD": None}, "stringData": {"AWS_ACCESS_KEY_ID": "new"}}
        await world.cluster.patch(kube.SECRETS, "simulacra-pods", patch, system_namespace())
        # starts a pass now; the sweep would within half a minute
        touch = {"metadata": {"annotations": {"test/touched": "1"}}}
        await world.cluster.patch(kube.TENANTS, world.tenant, touch)
        await world.reaches(
            kube.SECRETS, "simulacra-pods", lambda one: _plain(one) == {"AWS_ACCESS_KEY_ID": "new"}
        )
    finally:
        await world.cluster.delete(kube.SECRETS, "simulacra-pods", system_namespace())


def _plain(secret: Object) -> dict[str, str]:
    return {
        name: base64.b64decode(value).decode() for name, value in (secret.get("data") or {}).items()
    }

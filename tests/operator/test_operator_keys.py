"""Signing keys in their namespace, and the immutable key provider of a tenant."""

from __future__ import annotations

import pytest

from operator_bench import World
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Invalid
from simulacra_crds.names import INSTALLATION_KEYS, keys_namespace, system_namespace


async def test_the_signing_keys_are_out_of_the_apis_reach(world: World) -> None:
    await world.create_tenant()
    await world.reaches(
        kube.SECRETS,
        INSTALLATION_KEYS,
        lambda one: len(one["data"]) == 2,
        namespace=keys_namespace(),
    )
    assert await world.cluster.find(kube.SECRETS, INSTALLATION_KEYS, system_namespace()) is None


async def test_a_tenants_key_provider_cannot_change(world: World) -> None:
    await world.create("Tenant", world.tenant, {"encryption": {"provider": "local"}})
    other = {"spec": {"encryption": {"provider": "vault"}}}
    for patch in (
        other,
        {"spec": {"encryption": {"provider": None}}},
        {"spec": {"encryption": None}},
    ):
        with pytest.raises(Invalid, match=r"encryption\.provider cannot be changed"):
            await world.cluster.patch(kube.TENANTS, world.tenant, patch)
    await world.cluster.patch(kube.TENANTS, world.tenant, {"spec": {"suspend": True}})

"""The wave summary: signed by the operator alone, and named by the Model's certificate."""

from __future__ import annotations

import json

import pytest

from operator_bench import World, ready, succeed
from simulacra_crds.kinds.base import ANNOTATION_SUMMARY_READ
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Object
from simulacra_crds.names import INSTALLATION_KEYS, system_namespace
from simulacra_crds.tasks import SUMMARY, SUMMARY_SIGNATURE, TaskSpec
from simulacra_custody.audit.installation_keys import InstallationKeys, verified_summary
from simulacra_custody.refs import ResourceRef

pytestmark = pytest.mark.timeout(300)


def with_summary(task: TaskSpec, shard: int) -> Object:
    """Fit as the trainer does; the Model's artifact is a summary."""
    state = succeed(task, shard)
    result = json.loads(state["message"])
    result["artefacts"][0]["name"] = SUMMARY
    return {**state, "message": json.dumps(result)}


async def test_a_summary_is_signed_for_its_tenant_and_named_when_it_is_erased(
    world: World,
) -> None:
    await world.create_tenant()
    world.pods.plays["fit"] = with_summary
    await world.upload("ds-1")
    await world.model("mdl-1", "ds-1")
    model = await world.reaches(kube.MODELS, "mdl-1", ready, seconds=90)
    uid, (made,) = model["metadata"]["uid"], model["status"]["artefacts"]
    ref = ResourceRef(world.tenant, kube.MODELS.plural, uid).artifact(SUMMARY_SIGNATURE)
    signed = world.custody.read_bytes(ref, model["status"]["wrappedKey"], limit=1 << 16)
    found = await world.cluster.get(kube.CONFIGMAPS, INSTALLATION_KEYS, system_namespace())
    keys = json.loads(found["data"]["keys.json"])
    stated = json.loads(verified_summary(signed.decode(), keys))
    owner = (await world.cluster.get(kube.TENANTS, world.tenant))["metadata"]["uid"]
    assert (stated["tenant_uid"], stated["dataset"]) == (owner, "ds-1")
    assert (stated["model_uid"], stated["sha256"]) == (uid, made["sha256"])
    read = {"metadata": {"annotations": {ANNOTATION_SUMMARY_READ: "2026-03-01T12:00:00+00:00"}}}
    await world.cluster.patch(kube.MODELS, "mdl-1", read, world.namespace)
    await world.cluster.delete(kube.DATASETS, "ds-1", world.namespace)
    await world.gone(kube.MODELS, "mdl-1")
    await world.gone(kube.DATASETS, "ds-1")
    told = await world.certificate(owner, uid)
    assert told["summary"] == {"sha256": made["sha256"], "read_at": "2026-03-01T12:00:00Z"}
    assert "summary" not in await world.certificate(owner, "ds-1"), "it is the Model's"


def test_the_key_of_summaries_is_its_own_and_follows_from_an_older_secret() -> None:
    keys = InstallationKeys.generate()
    again = InstallationKeys.from_data(keys.to_data())
    assert again.summary.private_bytes_raw() == keys.summary.private_bytes_raw()
    assert keys.summary.private_bytes_raw() != keys.certificate.private_bytes_raw()
    published = keys.public_document()
    assert verified_summary(keys.sign_summary(b"{}"), published) == b"{}"
    for foreign in (keys.sign_certificate(b"{}"), InstallationKeys.generate().sign_summary(b"{}")):
        with pytest.raises(ValueError, match="signature"):
            verified_summary(foreign, published)

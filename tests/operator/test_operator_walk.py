"""The operator as a process against a control plane: the walk of the data, and its end."""

from __future__ import annotations

import pytest

from operator_bench import World, ready
from simulacra_crds.kube import client as kube


@pytest.mark.timeout(180)
async def test_dataset_to_generation_and_gone(world: World) -> None:
    await world.create_tenant()
    await world.upload("ds-1")
    await world.model("mdl-1", "ds-1")
    await world.generation("gen-1", "mdl-1", "ds-1", shards=2)
    dataset = await world.reaches(kube.DATASETS, "ds-1", ready)
    assert (dataset["status"]["rows"], dataset["status"]["columns"]) == (10, 3)
    model = await world.reaches(kube.MODELS, "mdl-1", ready)
    assert model["status"]["family"] == "forest"
    assert model["metadata"]["ownerReferences"][0]["uid"] == dataset["metadata"]["uid"]
    generation = await world.reaches(kube.GENERATION_JOBS, "gen-1", ready)
    assert generation["status"]["rows"] == 20
    assert generation["status"]["attainment"] == {
        "status": "exact",
        "asked": 1,
        "met": 1,
        "maxAbsError": 0.0,
    }
    names = [one["name"] for one in generation["status"]["artefacts"]]
    assert names == ["parts/00000.parquet", "parts/00001.parquet"]
    await world.until(lambda: _none(world, kube.JOBS), 10, lambda: "finished Jobs are left")

    await world.cluster.delete(kube.DATASETS, "ds-1", world.namespace)
    for resource, name in (
        (kube.DATASETS, "ds-1"),
        (kube.MODELS, "mdl-1"),
        (kube.GENERATION_JOBS, "gen-1"),
    ):
        await world.gone(resource, name)
    assert world.objects() == []
    erased = [
        record["data"]["uid"]
        for record in world.audit()
        if record["type"].endswith("resource.erased")
    ]
    assert sorted(erased) == sorted(one["metadata"]["uid"] for one in (dataset, model, generation))


async def _none(world: World, resource: kube.ApiResource) -> bool:
    return not await world.names(resource)

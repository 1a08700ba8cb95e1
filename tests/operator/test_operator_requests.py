"""What one Dataset costs the API server: reads of its Job and of itself."""

from __future__ import annotations

from operator_bench import World, ready
from operator_proxy import KillingProxy
from simulacra_crds.kube import client as kube


async def test_a_dataset_takes_few_reads(world: World, proxy: KillingProxy) -> None:
    """A waiting resource has no Job, and an ended Job comes with its event."""
    await world.create_tenant()
    proxy.disturb(None)
    await world.upload("ds-few")
    await world.reaches(kube.DATASETS, "ds-few", ready)
    assert proxy.calls["GET jobs"] <= 2
    assert proxy.calls["GET datasets"] <= 4

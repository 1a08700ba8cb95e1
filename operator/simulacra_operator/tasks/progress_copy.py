"""Copies the progress that running work stores, in coarse steps, into status."""

import asyncio
from collections.abc import Iterable

from pydantic import ValidationError

from simulacra_crds.kube.client import CUSTOM, Cluster, ClusterError
from simulacra_custody.errors import CustodyError
from simulacra_custody.refs import ResourceRef
from simulacra_operator.observed.custom_resource import tenant_of
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.tasks.sweep_snapshot import Progress, ResourceSnapshot

CONCURRENT_READS = 2
"""Custody's threads are for the reconcilers first."""
STEP = 10
"""Percent: progress is copied in these steps, which costs at most ten writes per Job."""


async def copy_progress(
    cluster: Cluster, custody: CustodyClient, seen: Iterable[ResourceSnapshot]
) -> None:
    """Copy the progress of the resources that one pod works for."""
    running = iter([(one, one.progress) for one in seen if one.progress is not None])

    async def copy() -> None:
        for one, shown in running:
            await _copy_one(cluster, custody, one, shown)

    await asyncio.gather(*(copy() for _ in range(CONCURRENT_READS)))


async def _copy_one(
    cluster: Cluster, custody: CustodyClient, one: ResourceSnapshot, shown: Progress
) -> None:
    tenant, api = tenant_of(one.key.namespace), CUSTOM[one.key.kind]
    if tenant is None:
        return
    try:
        report = await custody.progress(ResourceRef(tenant, api.plural, one.uid), shown.wrapped_key)
    except (CustodyError, ValidationError):
        return  # counted by the client; progress is best effort
    if report is None or report.percent // STEP <= shown.percent // STEP:
        return
    percent = report.percent // STEP * STEP
    status = {"progress": {"percent": percent, "etaSeconds": report.eta_seconds}}
    patch = {"metadata": {"resourceVersion": one.version}, "status": status}
    try:
        await cluster.patch(api, one.key.name, patch, one.key.namespace, subresource="status")
    except ClusterError as error:
        if error.status not in (404, 409):
            raise

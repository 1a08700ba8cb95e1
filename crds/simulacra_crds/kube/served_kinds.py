"""The product's kinds that an API server serves: those whose definition is Established."""

from __future__ import annotations

from simulacra_crds.kinds.base import API_VERSION
from simulacra_crds.kube.client import CUSTOM, Cluster, NotFound


async def missing_kinds(cluster: Cluster) -> list[str]:
    """Return the plurals of the product's kinds that are not served, in alphabetical order.

    Raises:
        ClusterError: the API server cannot be asked.
    """
    try:
        listed = (await cluster.request("GET", f"/apis/{API_VERSION}"))["resources"]
    except NotFound:  # no kind of the group
        listed = []
    served = {one["name"] for one in listed}
    return sorted(one.plural for one in CUSTOM.values() if one.plural not in served)

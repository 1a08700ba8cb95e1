"""The Node object of this machine and its heartbeat."""

import asyncio
import logging
import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Cluster

Object = dict[str, Any]
NODE_NAME = "embedded"
HOST_IP = "127.0.0.1"
LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
RENEW_SECONDS = 10.0
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
log = logging.getLogger("simulacra.node")


def _now(precision: str) -> str:
    return datetime.now(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def node_status() -> Object:
    """Return the status of the Node: capacity, addresses and healthy conditions."""
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    size = {"cpu": str(cores), "memory": f"{memory // 1024}Ki", "pods": "110"}
    now = _now("seconds")
    healthy = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID"),
        ("Ready", "True", "KubeletReady"),
    ]
    times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    conditions = [
        {"type": kind, "status": value, "reason": reason, "message": "", **times}
        for kind, value, reason in healthy
    ]
    names = (("InternalIP", HOST_IP), ("Hostname", NODE_NAME))
    addresses = [{"type": kind, "address": address} for kind, address in names]
    status = {"capacity": size, "allocatable": size}
    return status | {"conditions": conditions, "addresses": addresses}


async def register(cluster: Cluster) -> None:
    """Create or update the Node."""
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    labels = {
        "kubernetes.io/hostname": NODE_NAME,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "simulacra.dev/agent": "embedded",
    }
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME, "labels": labels}}
    with suppress(kube.AlreadyExists):
        await cluster.create(kube.NODES, node)
    await cluster.patch(kube.NODES, NODE_NAME, {"status": node_status()}, subresource="status")


async def heartbeat(cluster: Cluster) -> None:
    """Renew the node's Lease until cancelled."""
    while True:
        try:
            await _renew(cluster)
        except kube.ClusterError as error:
            log.warning("lease renewal failed status=%s reason=%s", error.status, error.reason)
        await asyncio.sleep(RENEW_SECONDS)


async def _renew(cluster: Cluster) -> None:
    spec: Object = {"holderIdentity": NODE_NAME, "leaseDurationSeconds": LEASE_SECONDS}
    spec |= {"renewTime": _now("microseconds")}
    if await cluster.find(kube.LEASES, NODE_NAME, LEASE_NAMESPACE):
        await cluster.patch(kube.LEASES, NODE_NAME, {"spec": spec}, LEASE_NAMESPACE)
        return
    lease = {
        "apiVersion": kube.LEASES.api_version,
        "kind": "Lease",
        "metadata": {"name": NODE_NAME},
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASE_NAMESPACE}}
    with suppress(kube.AlreadyExists):
        await cluster.create(kube.NAMESPACES, namespace)
    await cluster.create(kube.LEASES, lease | {"spec": spec}, LEASE_NAMESPACE)

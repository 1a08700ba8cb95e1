"""The workers of one fit, joined by torch.distributed: gloo between CPUs, NCCL between GPUs.

What the workers must agree on goes through the leader's key-value store as plain bytes; gradients
go from each to each.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from datetime import timedelta

import torch
import torch.distributed as dist
from pytorch_lightning.plugins.environments import ClusterEnvironment

from simulacra_trainer.workers import PeerLost, Workers

PATIENCE = timedelta(minutes=30)
"""Time a worker waits for another: scheduling, and the leader's work in between."""
FAREWELL = timedelta(seconds=30)
_TELLTALES = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer")


class WorkerGroup:
    """The workers of a fit, seen from one of them. Make it with `joined`."""

    def __init__(self, workers: Workers, store: dist.Store) -> None:
        self.workers, self._store, self._turns = workers, store, 0

    def share(self, content: bytes | None = None) -> bytes:
        """Return what the leader passes. Every worker must call, in the same order."""
        key = self._key("shared")
        if content is not None:
            self._store.set(key, content)
            return content
        return bytes(self._store.get(key))

    def agrees(self, text: str) -> bool:
        """Whether all workers say the same. Every worker must call, in the same order."""
        key = self._key("said")
        self._store.set(f"{key}/{self.workers.rank}", text)
        said = {bytes(self._store.get(f"{key}/{rank}")) for rank in range(self.workers.size)}
        return len(said) == 1

    def part_ways(self) -> None:
        """End together: nobody leaves before the leader has done everything, and it leaves last."""
        if not self.workers.leads:
            self._store.wait(["done"])
            self._store.set(f"gone/{self.workers.rank}", b"")
            return
        self._store.set("done", b"")
        with contextlib.suppress(
            dist.DistError
        ):  # all is done: who is not heard of may go as it likes
            self._store.wait([f"gone/{rank}" for rank in range(1, self.workers.size)], FAREWELL)

    def _key(self, name: str) -> str:
        self._turns += 1
        return f"{name}/{self._turns}"


class GroupEnvironment(ClusterEnvironment):
    """Tells Lightning that every worker was started by somebody else, each as a node of its own."""

    def __init__(self, workers: Workers) -> None:
        super().__init__()
        self._workers = workers

    @property
    def creates_processes_externally(self) -> bool:
        """Yes."""
        return True

    @property
    def main_address(self) -> str:
        """The leader's."""
        return self._workers.address

    @property
    def main_port(self) -> int:
        """The leader's."""
        return self._workers.port

    @staticmethod
    def detect() -> bool:
        """It is given, never looked for."""
        return False

    def world_size(self) -> int:
        """Workers."""
        return self._workers.size

    def set_world_size(self, size: int) -> None:
        """It is known."""

    def global_rank(self) -> int:
        """Which worker this is."""
        return self._workers.rank

    def set_global_rank(self, rank: int) -> None:
        """It is known."""

    def local_rank(self) -> int:
        """Each worker has its machine to itself."""
        return 0

    def node_rank(self) -> int:
        """Which worker this is."""
        return self._workers.rank


@contextlib.contextmanager
def joined(workers: Workers, *, on_gpu: bool) -> Iterator[WorkerGroup]:
    """Meet the other workers; leave them at the end.

    Raises:
        PeerLost: if one of them does not come or goes before the end.
    """
    try:
        store = _store(workers)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpu and torch.cuda.is_available() else "gloo",
            store=dist.PrefixStore("torch", store),
            rank=workers.rank,
            world_size=workers.size,
            timeout=PATIENCE,
        )
        try:
            group = WorkerGroup(workers, dist.PrefixStore("fit", store))
            yield group
            group.part_ways()
        finally:
            dist.destroy_process_group()
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or any(word in str(error) for word in _TELLTALES):
            raise PeerLost(type(error).__name__) from error
        raise


def _store(workers: Workers) -> dist.TCPStore:
    """Return the key-value store; the leader serves it, on loopback where that suffices."""
    if not workers.leads:
        return dist.TCPStore(
            workers.address, workers.port, workers.size, is_master=False, timeout=PATIENCE
        )
    if _is_loopback(workers.address):
        listener = socket.create_server(("127.0.0.1", workers.port))
    elif socket.has_dualstack_ipv6():
        listener = socket.create_server(
            ("", workers.port), family=socket.AF_INET6, dualstack_ipv6=True
        )
    else:
        listener = socket.create_server(("", workers.port))
    return dist.TCPStore(
        "127.0.0.1",
        workers.port,
        workers.size,
        is_master=True,
        timeout=PATIENCE,
        wait_for_workers=False,
        master_listen_fd=listener.detach(),
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"

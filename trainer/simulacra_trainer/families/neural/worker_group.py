"""The workers of one fit, joined by torch.distributed: gloo on CPUs, NCCL on GPUs.

What the workers must agree on goes through the leader's key-value store as plain bytes; gradients
are exchanged directly.
"""

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from datetime import timedelta

import torch
import torch.distributed as dist
from pytorch_lightning.plugins.environments import ClusterEnvironment

from simulacra_trainer.workers import PeerLost, Workers

TIMEOUT = timedelta(minutes=30)
"""How long a worker waits for another: pod scheduling, or the leader's work in between."""
EXIT_TIMEOUT = timedelta(seconds=30)
"""How long the leader waits at the end for the followers to leave."""
_CONNECTION_ERRORS = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer")


class WorkerGroup:
    """The workers of a fit as seen by one of them; create it with `joined`."""

    def __init__(self, workers: Workers, store: dist.Store) -> None:
        self.workers = workers
        self._store = store
        self._calls = 0

    def share(self, content: bytes | None = None) -> bytes:
        """Return the leader's content. All workers must call in the same order."""
        key = self._key("shared")
        if content is not None:
            self._store.set(key, content)
            return content
        return bytes(self._store.get(key))

    def agrees(self, text: str) -> bool:
        """Return whether all workers pass the same text. All must call in the same order."""
        key = self._key("agree")
        self._store.set(f"{key}/{self.workers.rank}", text)
        texts = {bytes(self._store.get(f"{key}/{rank}")) for rank in range(self.workers.size)}
        return len(texts) == 1

    def finish(self) -> None:
        """Wait until the leader is done; the leader then waits for the followers to leave."""
        if not self.workers.leads:
            self._store.wait(["done"])
            self._store.set(f"gone/{self.workers.rank}", b"")
            return
        self._store.set("done", b"")
        gone = [f"gone/{rank}" for rank in range(1, self.workers.size)]
        # The fit is complete, so a follower that does not answer is no error.
        with contextlib.suppress(dist.DistError):
            self._store.wait(gone, EXIT_TIMEOUT)

    def _key(self, name: str) -> str:
        self._calls += 1
        return f"{name}/{self._calls}"


class GroupEnvironment(ClusterEnvironment):
    """Tells Lightning that all workers are already running, one per node."""

    def __init__(self, workers: Workers) -> None:
        super().__init__()
        self._workers = workers

    @property
    def creates_processes_externally(self) -> bool:
        """Return True: pods start the workers, not Lightning."""
        return True

    @property
    def main_address(self) -> str:
        """Return the leader's address."""
        return self._workers.address

    @property
    def main_port(self) -> int:
        """Return the leader's port."""
        return self._workers.port

    @staticmethod
    def detect() -> bool:
        """Return False: the environment is passed explicitly."""
        return False

    def world_size(self) -> int:
        """Return the number of workers."""
        return self._workers.size

    def set_world_size(self, size: int) -> None:
        """Ignore: the value is fixed."""

    def global_rank(self) -> int:
        """Return the rank of this worker."""
        return self._workers.rank

    def set_global_rank(self, rank: int) -> None:
        """Ignore: the value is fixed."""

    def local_rank(self) -> int:
        """Return 0: one worker per machine."""
        return 0

    def node_rank(self) -> int:
        """Return the rank of this worker."""
        return self._workers.rank


@contextlib.contextmanager
def joined(workers: Workers, *, on_gpu: bool) -> Iterator[WorkerGroup]:
    """Join the other workers of a fit; leave the group at the end.

    Raises:
        PeerLost: another worker did not join in time or stopped early.
    """
    try:
        store = _store(workers)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpu and torch.cuda.is_available() else "gloo",
            store=dist.PrefixStore("torch", store),
            rank=workers.rank,
            world_size=workers.size,
            timeout=TIMEOUT,
        )
        try:
            group = WorkerGroup(workers, dist.PrefixStore("fit", store))
            yield group
            group.finish()
        finally:
            dist.destroy_process_group()
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or any(
            word in str(error) for word in _CONNECTION_ERRORS
        ):
            raise PeerLost(type(error).__name__) from error
        raise


def _store(workers: Workers) -> dist.TCPStore:
    """Return the key-value store; the leader serves it, on loopback if its address is local."""
    if not workers.leads:
        return dist.TCPStore(
            workers.address, workers.port, workers.size, is_master=False, timeout=TIMEOUT
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
        timeout=TIMEOUT,
        wait_for_workers=False,
        master_listen_fd=listener.detach(),
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"

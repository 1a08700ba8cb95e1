"""The workers of a distributed fit: rank, number, and address of the leader.

One worker runs in each pod of an Indexed Job. The leader (rank 0) does the whole fit; followers
lend their processors while the network is trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass

ADDRESS_ENV = "MASTER_ADDR"
PORT_ENV = "MASTER_PORT"
"""Host and port of the leader, as torch names them."""


class PeerLost(Exception):
    """Another worker ended or did not join, so this one cannot continue. A retry may help."""


@dataclass(frozen=True)
class Workers:
    """The place of this process: rank 0..size-1, and the leader's address and port."""

    rank: int
    size: int
    address: str
    port: int

    @property
    def leads(self) -> bool:
        """Whether this process is the leader."""
        return self.rank == 0

    def part(self, parts: int) -> slice:
        """Return the share of this worker in a batch that the number of workers divides."""
        each = parts // self.size
        return slice(self.rank * each, (self.rank + 1) * each)


def workers_of(env: Mapping[str, str], rank: int, size: int) -> Workers | None:
    """Return the place of a pod among the workers; None for a single worker.

    Raises:
        ValueError: if the leader's address or port is missing or malformed.
    """
    if size == 1:
        return None
    port = env.get(PORT_ENV, "")
    if not env.get(ADDRESS_ENV) or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{ADDRESS_ENV} and {PORT_ENV} must name the leader")
    if not 0 <= rank < size:
        raise ValueError("the completion index must be below the number of workers")
    return Workers(rank, size, env[ADDRESS_ENV], int(port))

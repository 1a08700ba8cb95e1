"""Which of a fit's workers this process is, and where the first of them is met.

One worker runs in each pod of an Indexed Job. The first, the leader, does the whole fit; the others
lend it their processors while the network is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ADDRESS_ENV, PORT_ENV = "MASTER_ADDR", "MASTER_PORT"
"""Name and port of the leader, by torch's own convention."""


class PeerLost(Exception):
    """Another worker ended or did not come; this one cannot go on alone. Trying again may help."""


@dataclass(frozen=True)
class Workers:
    """This process among the workers: rank 0..size-1, the leader's address and port."""

    rank: int
    size: int
    address: str
    port: int

    @property
    def leads(self) -> bool:
        """Whether this one does the whole fit."""
        return self.rank == 0

    def part(self, parts: int) -> slice:
        """Return this worker's share of a batch; the number of workers divides the batch."""
        each = parts // self.size
        return slice(self.rank * each, (self.rank + 1) * each)


def workers_of(env: Mapping[str, str], rank: int, size: int) -> Workers | None:
    """Return the place of a pod, None where it works alone.

    Raises:
        ValueError: if the leader's address or port is missing or malformed.
    """
    if size == 1:
        return None
    port = env.get(PORT_ENV, "")
    if not env.get(ADDRESS_ENV) or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(
            f"{ADDRESS_ENV} and {PORT_ENV} must name the first worker where there are several"
        )
    if not 0 <= rank < size:
        raise ValueError("the completion index must be below the number of workers")
    return Workers(rank, size, env[ADDRESS_ENV], int(port))

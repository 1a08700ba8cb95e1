"""Limits of secret checks at the token endpoint, counted in this process per minute.

A check costs 17 ms of a core, so wrong ones are limited per address and per client. An address that
gave a client's secret before has a limit of its own with this client: others' wrong secrets, for
the same client or from behind the same proxy, do not lock it out.
"""

import ipaddress
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass

from simulacra_api.http.problems import Problem

WINDOW_SECONDS = 60
PER_ADDRESS = 120
"""Wrong secrets a minute of an address (IPv6: of its /64)."""
PER_CLIENT = 60
"""Wrong secrets a minute for a client."""
REMEMBERED = 10_000
"""Counters of a minute, and pairs of client and address that had the secret."""
_Key = tuple[str, str]


@dataclass(frozen=True)
class Attempt:
    """A check that has begun: the minute, its counters, and the pair of client and address."""

    window: int
    keys: tuple[_Key, ...]
    pair: _Key


class Attempts:
    """Counts checks that run or gave a wrong secret."""

    def __init__(self) -> None:
        self._window = -1
        self._counts: Counter[_Key] = Counter()
        self._known: OrderedDict[_Key, None] = OrderedDict()

    def begin(self, client_id: str, address: str) -> Attempt:
        """Count a check; 429 above a limit."""
        window = int(time.time()) // WINDOW_SECONDS
        if window != self._window or len(self._counts) > REMEMBERED:
            self._window = window
            self._counts.clear()
        network = network_of(address)
        pair = client_id, network
        limits: dict[_Key, int] = {("", network): PER_ADDRESS, (client_id, ""): PER_CLIENT}
        if pair in self._known:
            limits = {pair: PER_CLIENT}
        if any(self._counts[key] >= limit for key, limit in limits.items()):
            wait = WINDOW_SECONDS - int(time.time()) % WINDOW_SECONDS
            detail = "Too many wrong secrets from this address or for this client. Wait a minute."
            raise Problem("simio_rate_limited", detail, headers={"Retry-After": str(wait)})
        self._counts.update(limits.keys())
        return Attempt(window, tuple(limits), pair)

    def succeeded(self, attempt: Attempt) -> None:
        """Take the check off its counters, and remember the pair."""
        if attempt.window == self._window:
            self._counts.subtract(attempt.keys)
        self._known[attempt.pair] = None
        self._known.move_to_end(attempt.pair)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def network_of(address: str) -> str:
    """Return an IPv4 address as it is, and the /64 of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))

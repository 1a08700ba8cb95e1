"""Host allow-list: the names under which this API answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_PORT = re.compile(r":[0-9]*$")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
ANY_HOST_PATHS = frozenset({"/healthz", "/readyz"})
"""Paths of probes: kubelet and load balancers call a pod by its address."""


class HostList:
    """Names of hosts without port, `*.example.com` for all below, or `*` for all."""

    def __init__(self, names: Iterable[str]) -> None:
        lower = {name.strip().lower() for name in names if name.strip()}
        self._all = "*" in lower
        self._below = tuple(name[1:] for name in lower if name.startswith("*."))
        self._names = lower

    def allows(self, host: str) -> bool:
        """Return whether this Host header names this API; its port does not matter."""
        name = host_name(host)
        return self._all or name in self._names or name.endswith(self._below)


def host_name(host: str) -> str:
    """Return a Host header in lower case without its port and the dot at its end."""
    return _PORT.sub("", host).rstrip(".").lower()


def name_in_url(url: str) -> str:
    """Return the host name of a URL, an IPv6 address in brackets."""
    return host_name(urlsplit(url).netloc.rpartition("@")[2])

"""Free ports on loopback for servers that tests start."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack


def free_port(count: int = 1) -> int:
    """Return the first of `count` neighboring free ports on loopback."""
    for _ in range(50):
        # Below the range that Linux gives to outgoing connections, which starts at 32768.
        base = 20000 + secrets.randbelow(10000)
        with ExitStack() as stack:
            try:
                for offset in range(count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", base + offset))
            except OSError:
                continue
            return base
    raise AssertionError("no free ports")

"""The operator, which kills itself before or after a custody call: `python doomed_operator.py`.

DOOM names a file with one line: the number of the call, and `before` or `after`. DOOM.calls counts
the calls over all restarts, so that it kills itself once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulacra_operator import __main__ as operator
from simulacra_operator.runtime.custody_client import CustodyClient

_DOOM = Path(os.environ["DOOM"])
_CALLS = _DOOM.with_suffix(".calls")
_run = CustodyClient.run


def _count(verb: str) -> int:
    with _CALLS.open("a") as lines:
        lines.write(f"{verb}\n")
    return len(_CALLS.read_text().splitlines())


def _die_if(number: int, when: str) -> None:
    if _DOOM.exists() and _DOOM.read_text().split() == [str(number), when]:
        os.kill(os.getpid(), signal.SIGKILL)


async def _doomed(
    self: CustodyClient, verb: str, call: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    number = _count(verb)
    _die_if(number, "before")
    result = await _run(self, verb, call, *args, **kwargs)
    _die_if(number, "after")
    return result


if __name__ == "__main__":
    CustodyClient.run = _doomed  # type: ignore[method-assign,assignment]
    raise SystemExit(operator.main())

"""Operators that begin as forks of a process with all imports done, which are most of a start.

A fork runs the `main` of `python -m simulacra_operator`, or a script around it, in an environment
of its own, and can be killed like it. This module is also the program of the process that forks.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_ONE_AT_A_TIME = threading.Lock()


class OperatorFork:
    """A running operator, with the methods of a `subprocess.Popen` that tests use."""

    def __init__(self, env: Mapping[str, str], log: Path, script: Path | None = None) -> None:
        log.touch()  # tests read it at once
        asked = {"env": dict(env), "log": str(log), "script": str(script) if script else None}
        self.pid = int(_asked(asked))
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        if self._code is None:
            self._code = _asked({"poll": self.pid})
        return self._code

    def wait(self, timeout: float) -> int:
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("simulacra_operator", timeout)
            time.sleep(0.01)
        return code

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)


@cache
def _server() -> subprocess.Popen[str]:
    """Return the process that forks; it ends when this one does."""
    command = [sys.executable, "-P", "-W", "ignore", __file__]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def _asked(question: dict[str, Any]) -> Any:
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with _ONE_AT_A_TIME:
        server.stdin.write(json.dumps(question) + "\n")
        return json.loads(server.stdout.readline())


def _become(env: Mapping[str, str], log: str) -> None:
    """Take the environment and the streams of an operator."""
    os.environ.clear()
    os.environ.update(env)
    nothing = os.open(os.devnull, os.O_RDWR)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for source, target in ((nothing, 0), (nothing, 1), (written, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(written)


def _serve() -> int:
    from simulacra_operator.__main__ import main

    gc.freeze()  # what is imported stays shared
    while line := sys.stdin.readline():
        question = json.loads(line)
        if "poll" in question:
            ended, status = os.waitpid(question["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        elif (answer := os.fork()) == 0:
            _become(question["env"], question["log"])
            if question["script"] is None:
                return main()
            runpy.run_path(question["script"], run_name="__main__")
            return 0
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(_serve())

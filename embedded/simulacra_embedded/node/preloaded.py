"""A process that has imported the trainer: pods begin as its forks, as Android's apps of zygote.

`python -m simulacra_embedded.node.preloaded FD` serves a socket of packets. A packet brings two
files, the request and the pod's output; only the fork reads the request, because it holds secrets
of one tenant. The answers are "PID", once the fork leads a session of its own, and "PID CODE"; or
"0 ERRNO" if there can be no fork.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import socket
import sys
import tempfile

from simulacra_intake.parent_death import die_with_parent

_OF_TASKS = (
    "completion effects.estimate segments.prices sheet.estimate sheet.page sheet.workbook"
    " tasks.fit tasks.generate tasks.prepare tasks.use_model"
)
PRELOADED = (
    *(f"simulacra_trainer.{name}" for name in _OF_TASKS.split()),
    "simulacra_custody.verified",
    "lightgbm",
    "scipy.interpolate",
    "scipy.ndimage",
    "scipy.stats",
)
"""What tasks import, some of it late."""


def main(descriptor: int) -> int:
    """Serve until the other end closes; in a fork, return the exit code of its pod."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # what is imported stays shared
    with socket.socket(fileno=descriptor) as asked, selectors.DefaultSelector() as ready:
        ready.register(asked, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.data:
                    _report_end(asked, ready, key)
                elif not (files := socket.recv_fds(asked, 1, 2)[1]):
                    return 0
                elif not (pid := _fork(asked, files)):
                    break
                elif pid > 0:
                    ready.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
                    asked.send(str(pid).encode())
            else:
                continue
            for key in ready.get_map().values():
                os.close(key.fd)
            asked.detach()
            return _run(*files)


def _report_end(
    asked: socket.socket, ready: selectors.BaseSelector, key: selectors.SelectorKey
) -> None:
    ready.unregister(key.fileobj)
    os.close(key.fd)
    _, status = os.waitpid(key.data, 0)
    asked.send(f"{key.data} {os.waitstatus_to_exitcode(status)}".encode())


def _fork(asked: socket.socket, files: list[int]) -> int:
    """Return 0 in the fork, and its pid here, where signals to its session reach it from now on.

    Without memory or processes for it, answer why, and return -1.
    """
    server = os.getpid()
    reader, writer = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        asked.send(f"0 {error.errno}".encode())
        pid = -1
    if pid:
        os.close(writer)
        os.read(reader, 1)
        for file in (reader, *files):
            os.close(file)
        return pid
    die_with_parent()
    if os.getppid() != server:
        os._exit(1)
    os.setsid()
    os.close(reader)
    os.close(writer)
    return 0


def _run(request: int, output: int) -> int:
    """Take environment, folder and output of a pod, and run its task."""
    from simulacra_trainer.__main__ import main as run

    with os.fdopen(request, "rb") as file:
        asked = json.load(file)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    os.environ.update(asked["env"])  # beside what the trainer sets for libraries that load later
    os.chdir(asked["folder"])
    tempfile.tempdir = None
    return run(asked["arguments"])


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))

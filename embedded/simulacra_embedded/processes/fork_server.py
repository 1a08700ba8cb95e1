"""A process that runs programs as forks of itself, without their imports, as Android's zygote.

`python -m simulacra_embedded.processes.fork_server FD` serves a socket of packets. A packet has
the name of a package, whose program is imported and then forked, and two files: the request and the
output. Only the fork reads the request, because it holds secrets of one tenant or service. The
answers are "PID", once the fork leads a session of its own, and "PID CODE"; or "0 ERRNO" if there
can be no fork.
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
from contextlib import suppress

from simulacra_intake.parent_death import die_with_parent


def begin() -> socket.socket:
    """Fork this process into one that serves, with what is imported here; return its socket.

    Call it in the main thread, before there are threads, an event loop, log handlers or secrets.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    if os.fork():
        theirs.close()
        return ours
    _lead_session(parent)
    ours.close()
    os.umask(0o077)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    raise SystemExit(serve(theirs.detach()))


def serve(descriptor: int) -> int | None:
    """Serve until the other end closes; in a fork, return the exit code of its program.

    A SIGTERM to the whole group is for the programs: with this process they would die at once.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as asked, selectors.DefaultSelector() as ready:
        ready.register(asked, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.data:
                    _report_end(asked, ready, key)
                    continue
                name, files, _, _ = socket.recv_fds(asked, 256, 2)
                if not files:
                    return 0
                program = f"{name.decode()}.__main__"
                with suppress(Exception):  # then the fork fails by the same, in its own output
                    importlib.import_module(program)
                gc.freeze()  # what is imported stays shared
                if not (pid := _fork(asked, files)):
                    break
                if pid > 0:
                    ready.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
                    asked.send(str(pid).encode())
            else:
                continue
            for key in ready.get_map().values():
                os.close(key.fd)
            asked.detach()
            return _run(program, *files)


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
    _lead_session(server)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.close(reader)
    os.close(writer)
    return 0


def _lead_session(parent: int) -> None:
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    os.setsid()


def _run(program: str, request: int, output: int) -> int | None:
    """Take arguments, environment, folder and output, and run the program."""
    with os.fdopen(request, "rb") as file:
        asked = json.load(file)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    os.environ.update(asked["env"])  # beside what the trainer sets for libraries that load later
    os.chdir(asked["folder"])
    tempfile.tempdir = None
    sys.argv[1:] = asked["arguments"]
    code: int | None = importlib.import_module(program).main()
    return code


if __name__ == "__main__":
    raise SystemExit(serve(int(sys.argv[1])))

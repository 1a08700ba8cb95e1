"""Child processes that begin as forks of one that has done their imports."""

import asyncio
import errno
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from simulacra_embedded.processes.child import spawn, with_output

LOST = -signal.SIGTERM
"""As if somebody ended them: SIGKILL would say that a pod needs more memory."""


@dataclass(frozen=True)
class Fork:
    """A child of the process that forks, with what of `asyncio.subprocess.Process` is used."""

    pid: int
    end: asyncio.Future[int]

    async def wait(self) -> int:
        """Return the exit code, negative for a signal."""
        return await asyncio.shield(self.end)

    @property
    def returncode(self) -> int | None:
        """The exit code; None while it runs."""
        return self.end.result() if self.end.done() else None


class Forks:
    """Starts forks of `python -m MODULE`, which starts with the first of them, or of `begun`.

    With that process its forks die: they end as terminated, and the next one starts another.
    """

    def __init__(
        self, module: str, env: Mapping[str, str], begun: socket.socket | None = None
    ) -> None:
        self._module, self._env, self._begun = module, env, begun
        self._server: socket.socket | None = None
        self._starting = asyncio.Lock()
        self._asked: deque[asyncio.Future[Fork]] = deque()
        self._running: dict[int, Fork] = {}

    async def start(
        self,
        package: str,
        arguments: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        sink: Callable[[bytes], None],
    ) -> tuple[Fork, asyncio.Task[None]]:
        """Start `python -m PACKAGE` as a fork in its own session, as `child.spawn` would.

        Raises:
            OSError: The process that forks has ended.
        """
        async with self._starting:
            server = self._server = self._server or await self._connect()
        request = os.memfd_create("request")
        try:
            content = {"arguments": [*arguments], "env": {**env}, "folder": str(folder)}
            os.write(request, json.dumps(content).encode())
            os.lseek(request, 0, os.SEEK_SET)

            async def ask(output: int) -> Fork:
                socket.send_fds(server, [package.encode()], [request, output])
                self._asked.append(asyncio.get_running_loop().create_future())
                return await asyncio.shield(self._asked[-1])

            return await with_output(ask, sink)
        finally:
            os.close(request)

    async def _connect(self) -> socket.socket:
        ours, self._begun = self._begun or await self._spawn(), None
        ours.setblocking(False)
        asyncio.get_running_loop().add_reader(ours, self._hear, ours)
        return ours

    async def _spawn(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-P", "-m", self._module, str(theirs.fileno())]
        with theirs:
            await spawn(command, self._env, None, _write, (theirs.fileno(),))
        return ours

    def _hear(self, server: socket.socket) -> None:
        """Take one answer; at the end of the process, end what it has forked."""
        answer = b""
        with suppress(ConnectionResetError):
            answer = server.recv(64)
        if not answer:
            return self._lose(server)
        pid, *code = map(int, answer.split())
        if not pid:
            self._asked.popleft().set_exception(OSError(code[0], os.strerror(code[0])))
        elif code:
            self._running.pop(pid).end.set_result(code[0])
        else:
            fork = self._running[pid] = Fork(pid, asyncio.get_running_loop().create_future())
            self._asked.popleft().set_result(fork)

    def _lose(self, server: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(server)
        server.close()
        self._server = None
        for asked in self._asked:
            ended = "the process that starts programs has ended"
            asked.set_exception(ChildProcessError(errno.ECHILD, ended))
        for fork in self._running.values():
            fork.end.set_result(LOST)
        self._asked.clear()
        self._running.clear()


def _write(output: bytes) -> None:
    sys.stderr.buffer.write(output)

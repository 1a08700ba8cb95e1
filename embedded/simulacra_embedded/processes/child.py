"""Child processes that cannot outlive their parent."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from simulacra_intake.parent_death import die_with_parent

T = TypeVar("T")


async def spawn(
    command: Sequence[str],
    env: Mapping[str, str],
    folder: Path | None,
    sink: Callable[[bytes], None],
    descriptors: Sequence[int] = (),
) -> tuple[asyncio.subprocess.Process, asyncio.Task[None]]:
    """Start a program in its own session, which dies with this process.

    The sink receives stdout and stderr. The program inherits the descriptors.

    Returns:
        The process, and the task that feeds the sink until the last writer ends.

    Raises:
        OSError: The program does not exist or may not be run.
    """
    return await with_output(
        lambda writer: asyncio.create_subprocess_exec(
            *command,
            env=env,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            start_new_session=True,
            umask=0o077,
            pass_fds=descriptors,
            # Takes no lock that another thread might hold at the fork.
            preexec_fn=_die_with(os.getpid()),
        ),
        sink,
    )


async def with_output(
    start: Callable[[int], Coroutine[Any, Any, T]], sink: Callable[[bytes], None]
) -> tuple[T, asyncio.Task[None]]:
    """Start a process that writes into the descriptor; return it and the task that feeds the sink.

    The pipe is our own, because asyncio's `Process.wait` returns only when every descendant has
    closed it.
    """
    reader, writer = os.pipe()
    try:
        process = await start(writer)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    return process, asyncio.create_task(_feed(reader, sink))


def _die_with(parent: int) -> Callable[[], None]:
    """Return a preexec_fn that makes the kernel kill the child when its parent dies.

    The fork must be in the main thread, because PDEATHSIG follows the thread that forked.
    Grandchildren are not covered; `session.kill_recorded` of the next start finds them.
    """

    def arrange() -> None:
        die_with_parent()
        if os.getppid() != parent:
            os._exit(1)

    return arrange


async def _feed(descriptor: int, sink: Callable[[bytes], None]) -> None:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    try:
        while data := await reader.read(2**16):
            sink(data)
    finally:
        transport.close()

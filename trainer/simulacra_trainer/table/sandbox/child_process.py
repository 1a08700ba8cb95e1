"""A killable child process for parsing bytes that nobody trusts.

The child gets the upload as an open descriptor (stdin) and an anonymous file for its result, so
that it needs no path and nothing is left on disk whatever happens to it. It confines itself before
it looks at a byte: address space, CPU, output size and descriptors by rlimit, no core dump, no new
privileges, death with its parent, and where the kernel grants them without root a network namespace
of its own, no system calls but a parser's, and no files but Python's. Its stderr is discarded: it
could quote the upload.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from typing import BinaryIO

from simulacra_trainer.table.limits import GIB, KIB, SandboxLimits
from simulacra_trainer.table.sandbox import os_sandbox

READY = b"ready\n"
"""The child's first line: its imports are done, so whatever follows was caused by the upload."""
REFUSED = 3
"""Exit status of a child that wrote why it refuses the upload."""

_MAX_ANSWER = 64 * KIB
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_READABLE = (
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/null",
    "/dev/urandom",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm",
    "/sys/devices/system",
)
"""Files that parser libraries read: shared objects, locales, processor information."""
_ENVIRONMENT = {
    # Pools that reserve address space ahead collide with RLIMIT_AS.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "ARROW_IO_THREADS": "1",
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
}


class SandboxStopped(Exception):
    """The child was stopped by a limit or crashed; the text says which for a person."""


@dataclass(frozen=True)
class Answer:
    """What the child said on stdout after READY, and whether it refused the upload."""

    refused: bool
    text: bytes


@dataclass(frozen=True)
class Granted:
    """What the platform granted besides rlimits: network namespace, call and file filters."""

    namespace: bool
    calls: bool
    files: bool

    @property
    def isolated(self) -> bool:
        """Whether the process has no network: none to reach, or no way to ask for a socket."""
        return self.namespace or self.calls


def confine(limits: SandboxLimits) -> Granted:
    """Drop what parsing does not need. Call before threads exist and bytes are read."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    namespace: bool = libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.output_bytes, limits.output_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
    files = os_sandbox.refuse_files(
        libc, [*_READABLE, sys.prefix, sys.base_prefix, *filter(None, sys.path)]
    )
    return Granted(namespace, os_sandbox.refuse_calls(libc), files)


def run_confined(
    module: str, argument: str, source: BinaryIO, sink: BinaryIO, limits: SandboxLimits
) -> Answer:
    """Run `python -m module` with source as its stdin and sink inherited; wait for its answer.

    The child finds on its command line: argument, the descriptor of sink, and the limits as JSON
    (see `worker.py`).

    Raises:
        SandboxStopped: a limit, a crash or the wall clock ended the child.
        RuntimeError: the child could not start, which is no fault of the upload.
    """
    command = [
        sys.executable,
        "-I",
        "-m",
        module,
        argument,
        str(sink.fileno()),
        json.dumps(asdict(limits)),
    ]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command,
            stdin=source,
            stdout=said,
            stderr=subprocess.DEVNULL,
            pass_fds=[sink.fileno()],
            env=_ENVIRONMENT
            | {
                name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ
            },
            start_new_session=True,
        ) as child,
    ):
        try:
            child.wait(timeout=limits.wall_s)
        except subprocess.TimeoutExpired:
            child.kill()
            raise SandboxStopped(f"it takes longer than {limits.wall_s} seconds to read") from None
        except BaseException:
            child.kill()
            raise
        said.seek(0)
        answer = said.read(_MAX_ANSWER)
    if not answer.startswith(READY):
        raise RuntimeError(f"the parsing process did not start (exit status {child.returncode})")
    if child.returncode in (0, REFUSED):
        return Answer(refused=child.returncode == REFUSED, text=answer[len(READY) :])
    raise SandboxStopped(_why(child.returncode, limits))


def _why(status: int, limits: SandboxLimits) -> str:
    if status == -signal.SIGXCPU:
        return f"it takes more than {limits.cpu_s} seconds of computing to read"
    if status in (-signal.SIGABRT, -signal.SIGKILL):
        return f"it needs more memory to read than the limit of {limits.memory_bytes / GIB:.3g} GiB"
    return "it is damaged in a way that stops the reader"

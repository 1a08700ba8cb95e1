"""Confined child process that parses untrusted bytes.

The child gets the upload as an open descriptor (stdin) and an encrypted file without a name for its
result, so it needs no paths. The keys of both files come through a pipe. It confines itself before
it reads a byte: rlimits on address space, CPU, output size and descriptors, no core dump, no new
privileges, death with its parent. If the kernel grants them without root, it also has its own
network namespace, only the system calls of a parser and only the files of Python. Its stderr is
discarded, because it could quote the upload.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import BinaryIO

from simulacra_custody.core_dumps import forbid_core_dumps
from simulacra_intake.limits import GIB, KIB, SandboxLimits
from simulacra_intake.parent_death import die_with_parent
from simulacra_intake.sandbox import os_sandbox
from simulacra_intake.scratch import EncryptedFile

READY = b"ready\n"
"""First line of the child: imports succeeded, so later errors come from the upload."""
REFUSED = 3
"""Exit status of a child that wrote an error for the customer."""

_MAX_ANSWER = 64 * KIB
"""What a pipe holds without a reader; a child that writes more waits until its time is over."""
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
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
    # Memory pools that reserve address space fail under RLIMIT_AS.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "ARROW_IO_THREADS": "1",
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
}


class SandboxStopped(Exception):
    """A limit or a crash ended the child; the text says which."""


@dataclass(frozen=True)
class Answer:
    """Output of the child after READY, and whether it refused the upload."""

    refused: bool
    text: bytes


@dataclass(frozen=True)
class Granted:
    """Confinement that the platform granted: network namespace, call and file filters."""

    namespace: bool
    calls: bool
    files: bool

    @property
    def isolated(self) -> bool:
        """Whether the process has no network, or cannot open a socket."""
        return self.namespace or self.calls


def confine(limits: SandboxLimits) -> Granted:
    """Confine this process. Call before it starts threads or reads bytes."""
    libc = ctypes.CDLL(None, use_errno=True)
    die_with_parent()
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    namespace: bool = libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0
    forbid_core_dumps()
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.output_bytes, limits.output_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
    files = os_sandbox.refuse_files(
        libc, [*_READABLE, sys.prefix, sys.base_prefix, *filter(None, sys.path)]
    )
    return Granted(namespace, os_sandbox.refuse_calls(libc), files)


def run_confined(
    module: str,
    argument: str,
    source: BinaryIO,
    sink: EncryptedFile,
    limits: SandboxLimits,
    *more: str,
) -> Answer:
    """Run `python -m module` with source as its stdin and sink inherited; wait for its answer.

    Arguments of the child: argument, the descriptors of sink and of a pipe with the keys, and the
    limits as JSON, then more (`worker.py`).

    source: a file, or a `BufferedReader` of an `EncryptedFile`; sink: receives the result.

    Raises:
        SandboxStopped: a limit, a crash or the wall clock ended the child.
        RuntimeError: the child did not start, which the upload does not cause.
    """
    raw = getattr(source, "raw", None)
    keys_fd = _pipe_with(sink.key + (raw.key if isinstance(raw, EncryptedFile) else b""))
    arguments = [argument, str(sink.fileno()), str(keys_fd), json.dumps(asdict(limits)), *more]
    inherited = {"PATH", "LD_LIBRARY_PATH"} & os.environ.keys()
    try:
        child = subprocess.Popen(
            [sys.executable, "-I", "-m", module, *arguments],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[sink.fileno(), keys_fd],
            env=_ENVIRONMENT | {name: os.environ[name] for name in inherited},
            start_new_session=True,
        )
    finally:
        os.close(keys_fd)
    with child:
        try:
            child.wait(timeout=limits.wall_s)
        except subprocess.TimeoutExpired:
            child.kill()
            raise SandboxStopped(f"it takes longer than {limits.wall_s} seconds to read") from None
        except BaseException:
            child.kill()
            raise
        assert child.stdout is not None
        answer = child.stdout.read(_MAX_ANSWER)
    if not answer.startswith(READY):
        raise RuntimeError(f"the parsing process did not start (exit status {child.returncode})")
    if child.returncode in (0, REFUSED):
        return Answer(refused=child.returncode == REFUSED, text=answer[len(READY) :])
    raise SandboxStopped(_why(child.returncode, limits))


def _pipe_with(content: bytes) -> int:
    """Return the reading end of a pipe that holds a few bytes."""
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    return reader


def _why(status: int, limits: SandboxLimits) -> str:
    if status == -signal.SIGXCPU:
        return f"it takes more than {limits.cpu_s} seconds of CPU time to read"
    if status in (-signal.SIGABRT, -signal.SIGKILL):
        return f"it needs more memory to read than the limit of {limits.memory_bytes / GIB:.3g} GiB"
    return "it is damaged in a way that stops the reader"

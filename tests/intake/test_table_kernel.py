"""What the parsing process cannot do: each refusal is tried in a confined process, and allowed in
one that is not.

A limit that somebody removes shows here: the confined process then does what the free one does.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PROBE = """
import ctypes, errno, json, os, resource, signal, socket, sys, threading

secret, outside, confined = sys.argv[1], sys.argv[2], sys.argv[3] == "confined"
libc = ctypes.CDLL(None, use_errno=True)
granted = None
if confined:
    from simulacra_intake.limits import SandboxLimits
    from simulacra_intake.sandbox.child_process import confine
    granted = confine(SandboxLimits())

def attempt(action):
    try:
        action()
    except (OSError, RuntimeError, ValueError) as error:
        return errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
    return "done"

def call(number, *arguments):
    def action():
        if libc.syscall(number, *arguments) < 0:
            raise OSError(ctypes.get_errno(), "refused")
    return action

def child():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)

def thread():
    one = threading.Thread(target=lambda: None)
    one.start()
    one.join()

def read(path):
    return lambda: open(path, "rb").read(1)

said = {
    "socket": attempt(lambda: socket.socket().close()),
    "local socket": attempt(lambda: socket.socket(socket.AF_UNIX).close()),
    "fork": attempt(child),
    "spawn": attempt(lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)),
    "signal": attempt(lambda: os.kill(os.getppid(), 0)),
    "io_uring": attempt(call(425, 0, None)),
    "pidfd": attempt(call(434, os.getpid(), 0)),
    "read a secret": attempt(read(secret)),
    "list a folder": attempt(lambda: os.listdir(os.path.dirname(secret))),
    "write a file": attempt(lambda: open(outside, "w").close()),
    "environment of the parent": attempt(read(f"/proc/{os.getppid()}/environ")),
    "thread": attempt(thread),
    "own library": attempt(read(os.__file__)),
    "raise the memory limit": attempt(
        lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))
    ),
    "many files": attempt(lambda: [open("/dev/null") for _ in range(80)]),
}
status = open("/proc/self/status").read()
said["no new privileges"] = "NoNewPrivs:\\t1" in status
said["seccomp"] = "Seccomp:\\t2" in status
said["core"] = resource.getrlimit(resource.RLIMIT_CORE)[1]
said["death signal"] = ctypes.c_int()
libc.prctl(2, ctypes.byref(said["death signal"]))
said["death signal"] = said["death signal"].value
said["granted"] = granted and [granted.calls, granted.files]
said["isolated"] = granted and granted.namespace
lines = [line for line in open("/proc/self/net/dev") if ":" in line]
said["networks"] = sorted(line.split(":")[0].strip() for line in lines)
print(json.dumps(said))
"""
LANDLOCK = ctypes.CDLL(None, use_errno=True).syscall(444, None, ctypes.c_size_t(0), 1) >= 1
SECCOMP = platform.machine() in ("x86_64", "aarch64")
CALLS = ("socket", "local socket", "fork", "spawn", "signal", "io_uring", "pidfd")
FILES = ("read a secret", "list a folder", "write a file")


def probe(folder: Path, how: str) -> dict[str, Any]:
    secret = folder / "keyring.json"
    secret.write_text("{}")
    command = [sys.executable, "-I", "-c", PROBE, str(secret), str(folder / "written"), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def confined(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return probe(tmp_path_factory.mktemp("confined"), "confined")


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return probe(tmp_path_factory.mktemp("free"), "free")


def test_all_filters_of_the_platform_are_used(confined: dict[str, Any]) -> None:
    assert confined["granted"] == [SECCOMP, LANDLOCK]
    assert confined["seccomp"] is SECCOMP


@pytest.mark.skipif(not SECCOMP, reason="no filter of calls for this architecture")
@pytest.mark.parametrize("what", CALLS)
def test_a_dangerous_system_call_is_refused(
    confined: dict[str, Any], free: dict[str, Any], what: str
) -> None:
    assert confined[what] == "EPERM"
    assert free[what] != "EPERM"


@pytest.mark.skipif(not LANDLOCK, reason="the kernel has no Landlock")
@pytest.mark.parametrize("what", FILES)
def test_files_outside_the_installation_are_out_of_reach(
    confined: dict[str, Any], free: dict[str, Any], what: str
) -> None:
    assert confined[what] == "EACCES"
    assert free[what] == "done"


@pytest.mark.skipif(not LANDLOCK, reason="the kernel has no Landlock")
def test_the_environment_of_the_parent_is_out_of_reach(
    confined: dict[str, Any], free: dict[str, Any]
) -> None:
    """It names the object store and the key provider."""
    assert confined["environment of the parent"] == "EACCES"
    assert free["environment of the parent"] == "done"


def test_threads_and_own_libraries_stay_usable(confined: dict[str, Any]) -> None:
    assert confined["thread"] == confined["own library"] == "done"


def test_the_parser_has_its_own_network_if_the_platform_allows(confined: dict[str, Any]) -> None:
    ask = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x50000000) != 0)"
    granted = subprocess.run([sys.executable, "-I", "-c", ask]).returncode == 0
    assert confined["isolated"] is granted
    if confined["isolated"]:
        assert confined["networks"] == ["lo"]


def test_limits_cannot_be_raised_again(confined: dict[str, Any], free: dict[str, Any]) -> None:
    assert confined["no new privileges"] is True
    assert confined["core"] == 0
    assert confined["death signal"] == 9
    assert confined["many files"] == "EMFILE"
    assert (free["no new privileges"], free["death signal"], free["many files"]) == (
        False,
        0,
        "done",
    )
    if confined["isolated"] or os.getuid() != 0:
        assert confined["raise the memory limit"] == "ValueError"


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    sleeper = "import time; from simulacra_intake.limits import SandboxLimits; "
    sleeper += (
        "from simulacra_intake.sandbox.child_process import confine; confine(SandboxLimits()); "
    )
    sleeper += "print('confined', flush=True); time.sleep(60)"
    parent = (
        f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {sleeper!r}], "
    )
    parent += (
        "stdout=subprocess.PIPE); p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
    for _ in range(50):
        if not _runs(child):
            return
        time.sleep(0.1)
    raise AssertionError("the parsing process outlived its parent")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

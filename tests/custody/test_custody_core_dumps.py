"""Core dumps of processes that hold keys and rows."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import ctypes, resource, sys
from simulacra_custody.core_dumps import forbid_core_dumps
if sys.argv[1] == "forbid":
    forbid_core_dumps()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
"""


def dumpable(choice: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, choice]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_a_process_with_keys_leaves_no_core_dump() -> None:
    """PR_GET_DUMPABLE: the kernel dumps only a process that is dumpable."""
    assert dumpable("allow")[0] == "1"
    assert dumpable("forbid") == ["0", "0", "0"]

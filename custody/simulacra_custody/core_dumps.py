"""Core dumps, which would write keys and rows to disk in clear."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4


def forbid_core_dumps() -> None:
    """Forbid the kernel to dump this process, to a file or to a program; children inherit the file.

    The limit alone does not keep the kernel from piping a dump to a program (`man 5 core`).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)

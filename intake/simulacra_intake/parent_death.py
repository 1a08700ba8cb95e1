"""Processes that do not outlive their parent (Linux: prctl(2), PR_SET_PDEATHSIG)."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that forked it ends.

    A parent that died before is not noticed: compare `os.getppid()` afterwards. Takes no lock, so
    that it may run between fork and exec.
    """
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

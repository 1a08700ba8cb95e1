"""Where numba's compiled code is: it is found where an image ships it, and it is said when there is
none yet.

numba writes into its cache, and an image's file system is read-only. So numba's cache is a folder
of the pod's own, and this puts links to the shipped files there. What is not shipped is compiled
and kept in that folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SHIPPED_VARIABLE = "SIMULACRA_KERNELS"
CACHE_VARIABLE = "NUMBA_CACHE_DIR"


def link_shipped(env: Mapping[str, str] = os.environ) -> None:
    """Link the files below SIMULACRA_KERNELS into NUMBA_CACHE_DIR, where both are set."""
    shipped, own = env.get(SHIPPED_VARIABLE), env.get(CACHE_VARIABLE)
    if not shipped or not own:
        return
    for file in Path(shipped).rglob("*.nb[ci]"):
        link = Path(own) / file.relative_to(shipped)
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            link.symlink_to(file)


def is_cold(env: Mapping[str, str] = os.environ) -> bool:
    """Return whether numba's cache, beside the code or in its folder, is still empty."""
    folder = Path(env.get(CACHE_VARIABLE) or Path(__file__).parent)
    return os.access(folder, os.W_OK) and next(folder.rglob("*.nbi"), None) is None

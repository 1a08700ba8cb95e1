"""Cache of numba's compiled kernels, which an image ships.

numba writes into its cache, but the file system of an image is read-only. So the cache is a
directory of the pod, with links to the shipped files; numba compiles other kernels into it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SHIPPED_VARIABLE = "SIMULACRA_KERNELS"
CACHE_VARIABLE = "NUMBA_CACHE_DIR"


def link_shipped(env: Mapping[str, str] = os.environ) -> None:
    """Link the files below SIMULACRA_KERNELS into NUMBA_CACHE_DIR, if both are set."""
    shipped = env.get(SHIPPED_VARIABLE)
    cache = env.get(CACHE_VARIABLE)
    if not shipped or not cache:
        return
    for file in Path(shipped).rglob("*.nb[ci]"):
        link = Path(cache) / file.relative_to(shipped)
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            link.symlink_to(file)


def is_cold(env: Mapping[str, str] = os.environ) -> bool:
    """Return whether the cache, by default beside the code, is still empty."""
    folder = Path(env.get(CACHE_VARIABLE) or Path(__file__).parent)
    return os.access(folder, os.W_OK) and next(folder.rglob("*.nbi"), None) is None

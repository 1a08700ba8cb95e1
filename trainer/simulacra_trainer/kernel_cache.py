"""Cache of numba's compiled kernels: where it is, whether it is cold, and what an image ships.

numba writes into its cache, but the file system of an image is read-only. So the cache is a
directory of the pod, with links to the shipped files; numba compiles other kernels into it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SHIPPED_VARIABLE = "SIMULACRA_KERNELS"
CACHE_VARIABLE = "NUMBA_CACHE_DIR"
COMPILE_AHEAD = (sys.executable, "-I", "-m", "simulacra_trainer.compile_ahead")
"""Command that fills the cache; its argument is the pid of the parent, with which it dies.

Without -I, it would import modules of the working directory."""
KERNELS = ("graph/kernels.py", "families/forest/kernels.py", "report/neighbors.py")
"""Modules with the first and the last kernels that a fit needs."""


def user_cache() -> Path:
    """Return the user's cache of compiled code; a new data directory needs no compilation."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simulacra" / "numba"


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
    """Return whether the cache, by default beside the code, lacks kernels of this code."""
    package = Path(__file__).parent
    cache = env.get(CACHE_VARIABLE)
    if not cache and not os.access(package, os.W_OK):
        return False  # numba's own choice of a folder
    return any(_is_missing(package / one, cache) for one in KERNELS)


def _is_missing(source: Path, cache: str | None) -> bool:
    """Return whether no index of a module is as new as the module, in numba's folder for it."""
    folder = source.parent / "__pycache__"
    if cache:
        digest = hashlib.sha1(str(source.parent).encode(), usedforsecurity=False).hexdigest()
        folder = Path(cache) / f"{source.parent.name}_{digest}"
    times = (index.stat().st_mtime for index in folder.glob(f"{source.stem}.*.nbi"))
    return max(times, default=0.0) < source.stat().st_mtime

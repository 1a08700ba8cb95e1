"""Cache of numba's compiled kernels: where it is, whether it is cold, and what an image ships.

numba writes into its cache, but the file system of an image is read-only. So the cache is a
directory of the pod, with links to the shipped files; numba compiles other kernels into it.
"""

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SHIPPED_VARIABLE = "SIMULACRA_KERNELS"
CACHE_VARIABLE = "NUMBA_CACHE_DIR"
COMPILE_AHEAD = (sys.executable or "", "-I", "-m", "simulacra_trainer.compile_ahead")
"""Command that fills the cache; its argument is the pid of the parent, with which it dies.

Without -I, it would import modules of the working directory."""
_FOR_COMPILING = re.compile(
    r"PATH|LD_LIBRARY_PATH|LANG|LC_.*|TMPDIR|HOME|XDG_CACHE_HOME|NUMBA_.*|OMP_NUM_THREADS"
)
"""Variables that say where the cache is and what is compiled; others may hold secrets."""
KERNELS = ("graph/kernels.py", "families/forest/trees/kernels.py", "report/attackers/neighbors.py")
"""Modules with the first and the last kernels that a fit needs."""


def user_cache() -> Path:
    """Return the user's cache of compiled code; a new data directory needs no compilation."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simulacra" / "numba"


def compiler_environment() -> dict[str, str]:
    """Return the variables that the process that fills the cache needs, and no others."""
    return {name: value for name, value in os.environ.items() if _FOR_COMPILING.fullmatch(name)}


def link_shipped() -> None:
    """Link the files below SIMULACRA_KERNELS into NUMBA_CACHE_DIR, if both are set."""
    shipped, cache = os.environ.get(SHIPPED_VARIABLE), os.environ.get(CACHE_VARIABLE)
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
    with suppress(OSError):  # another process removes a file, or the code is in an archive
        return any(_is_missing(package / one, cache) for one in KERNELS)
    return False


def _is_missing(source: Path, cache: str | None) -> bool:
    """Return whether numba's folder for a module has no index of its present code.

    An index holds a hash of the code (numba from 0.68), or is at least as new as the code: a later
    checkout or installation of the same code is newer than an index that numba still uses.
    """
    folder = source.parent / "__pycache__"
    if cache:
        digest = hashlib.sha1(str(source.parent).encode(), usedforsecurity=False).hexdigest()
        folder = Path(cache) / f"{source.parent.name}_{digest}"
    found = [index for index in folder.glob(f"{source.stem}.*.nbi") if index.exists()]
    code, time = hashlib.sha256(source.read_bytes()).digest(), source.stat().st_mtime
    return not any(one.stat().st_mtime >= time or code in one.read_bytes() for one in found)

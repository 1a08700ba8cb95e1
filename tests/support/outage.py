"""A store on disk that is away for a while."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def blocked(folder: Path) -> Iterator[None]:
    """Put a file in the place of a folder, so that no write and no read below it succeeds.

    They change places at once: a store that is missing for a moment would be an empty one.
    """
    other = folder.with_suffix(".away")
    other.write_text("a file where a folder should be")
    _exchange(folder, other)
    try:
        yield
    finally:
        _exchange(folder, other)
        other.unlink()


def _exchange(one: Path, other: Path) -> None:
    """Exchange two names in one step (renameat2(2), RENAME_EXCHANGE)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, bytes(one), _AT_FDCWD, bytes(other), _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2", str(one))

"""A store on disk that is away for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def blocked(folder: Path) -> Iterator[None]:
    """Put a file in the place of a folder, so that no write and no read below it succeeds."""
    away = folder.with_suffix(".away")
    folder.rename(away)
    folder.write_text("a file where a folder should be")
    try:
        yield
    finally:
        folder.unlink()
        away.rename(folder)

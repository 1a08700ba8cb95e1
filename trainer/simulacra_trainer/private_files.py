"""Files that only their owner may read: models hold the training table."""

import os
from pathlib import PosixPath
from typing import IO, Any

_WRITE_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class PrivatePath(PosixPath):
    """A path at and below which each written file is new and has mode 0600 from its first byte.

    A file that was there, with whatever mode, is removed first: who has it open keeps the old one.
    Give an open file, not the path, to libraries: they would write with the process's umask.
    """

    def open(  # type: ignore[override]  # of the overloads, the general one
        self, mode: str = "r", *args: Any, **options: Any
    ) -> IO[Any]:
        """Open the file; mode is one of r, rb, w and wb."""
        if mode in ("r", "rb"):
            return super().open(mode, *args, **options)
        if mode not in ("w", "wb"):
            raise ValueError(f"a private file is opened with r, rb, w or wb, not {mode}")
        self.unlink(missing_ok=True)
        return os.fdopen(os.open(self, _WRITE_NEW, 0o600), mode, *args, **options)

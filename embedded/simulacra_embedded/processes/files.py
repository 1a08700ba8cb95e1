"""Private files: atomic replacement, and logs of bounded size."""

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

LOG_BYTES = 10 * 2**20
"""Size at which a log is rotated; one older part is kept, so a log takes at most twice this."""


def replace_file(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step: a crash leaves the old or the new one."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)  # of a killed process, or made by another with another mode
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


class LogFile:
    """An append-only log of bounded size and mode 0600.

    What cannot be written is dropped: a full disk must not stop the program that writes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()

    def _open(self) -> BinaryIO:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "ab", buffering=0)

    def write(self, data: bytes) -> None:
        """Append; rotate the log when it is full."""
        with suppress(OSError):
            if self._file.tell() + len(data) > LOG_BYTES:
                self._path.replace(self._path.with_suffix(".log.1"))
                self._file.close()
                self._file = self._open()
            self._file.write(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

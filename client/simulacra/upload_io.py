"""Files that are read while they are sent, and count the bytes."""

import hashlib
import io
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx2
from anyio import from_thread, to_thread

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes transferred so far and their total, if that is known."""
READ_BYTES = 256 << 10


@dataclass(frozen=True)
class Piece(httpx2.SyncByteStream):
    """A part of a file as the body of a request; read again for each try."""

    path: Path
    start: int
    size: int
    total: int
    on_bytes: OnBytes | None = None

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self.start)
            left = self.size
            while left and (chunk := file.read(min(READ_BYTES, left))):
                yield chunk
                left -= len(chunk)
                if self.on_bytes:
                    self.on_bytes(self.start + self.size - left, self.total)


class CountedFile(io.RawIOBase):
    """A file that reports how much of it was read."""

    def __init__(self, file: BinaryIO, total: int, on_bytes: OnBytes) -> None:
        self._file = file
        self._total = total
        self._on_bytes = on_bytes

    def read(self, size: int = -1) -> bytes:
        """Read, and report the position."""
        chunk = self._file.read(size)
        self._on_bytes(self._file.tell(), self._total)
        return chunk

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position."""
        return self._file.seek(offset, whence)

    def fileno(self) -> int:
        """Return the file's descriptor, from which httpx2 learns the size."""
        return self._file.fileno()


class ReadInThread(httpx2.AsyncByteStream):
    """A request body read in a thread, so that a slow disk does not block the event loop."""

    def __init__(self, body: httpx2.SyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = iter(self._body)
        while (chunk := await to_thread.run_sync(next, chunks, None)) is not None:
            yield chunk


def on_event_loop(on_bytes: OnBytes | None) -> OnBytes | None:
    """Return a callback for a worker thread that calls this one on the event loop."""
    return on_bytes and (lambda so_far, total: from_thread.run_sync(on_bytes, so_far, total))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Temporary files that are encrypted on disk under keys that only this process's memory holds.

A file is a random salt of 16 bytes, then the content under AES-256-CTR. Its key is derived from the
salt and a key that is made when the process starts, or is forked, so nobody reads a file after its
process has ended, whether it was removed or not. Confidentiality alone: a change on disk is not
detected.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PosixPath
from typing import IO, Any

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

SALT_BYTES = 16
KEY_BYTES = 32
_BLOCK = 16
_PIECE = 1 << 18
"""Stays in the processor's cache between reading and decrypting."""
_BUFFER = 1 << 20
_PROCESS_KEY = os.urandom(KEY_BYTES)


def _renew_key() -> None:
    global _PROCESS_KEY
    _PROCESS_KEY = os.urandom(KEY_BYTES)


os.register_at_fork(after_in_child=_renew_key)


class EncryptedFile(io.RawIOBase):
    """An encrypted file: read anywhere, or written once from its begin to its end.

    descriptor: closed with this object; key: of this file, from `file_key`; writable: write after
    the salt.
    """

    def __init__(self, descriptor: int, key: bytes, *, writable: bool = False) -> None:
        self._descriptor = descriptor
        self.key = key
        self._writable = writable
        self._position = 0
        self._cipher = _cipher(key, 0)

    def fileno(self) -> int:
        """Return the descriptor of the ciphertext."""
        return self._descriptor

    def readable(self) -> bool:
        """Return whether the file is open for reading."""
        return not self._writable

    def writable(self) -> bool:
        """Return whether the file is open for writing."""
        return self._writable

    def seekable(self) -> bool:
        """Return whether `seek` is supported: of a file open for reading."""
        return not self._writable

    def tell(self) -> int:
        """Return the position in the plaintext."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position in the plaintext; return it."""
        if self._writable:
            raise io.UnsupportedOperation("a keystream must not be used twice")
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence)
        if base is None:
            base = os.fstat(self._descriptor).st_size - SALT_BYTES
        if base + offset < 0:
            raise ValueError("the position is before the begin of the file")
        if base + offset != self._position:
            self._position = base + offset
            self._cipher = _cipher(self.key, self._position)
        return self._position

    def reopen(self) -> EncryptedFile:
        """Return the file open for reading, with a descriptor and a position of its own."""
        return EncryptedFile(os.dup(self._descriptor), self.key)

    def readinto(self, buffer: Any) -> int:
        """Read and decrypt until the buffer is full or the file ends."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view):
            size = min(len(view) - done, _PIECE)
            data = os.pread(self._descriptor, size, SALT_BYTES + self._position)
            if not data:
                break
            view[done : done + len(data)] = self._cipher.update(data)
            done += len(data)
            self._position += len(data)
        return done

    def write(self, data: Any) -> int:
        """Encrypt and write all bytes; return their number."""
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _PIECE):
            rest = memoryview(self._cipher.update(view[start : start + _PIECE]))
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        self._position += len(view)
        return len(view)

    def close(self) -> None:
        """Close the descriptor."""
        if not self.closed:
            super().close()
            os.close(self._descriptor)


class EncryptedPath(PosixPath):
    """A path below a directory of encrypted files; its methods read and write plaintext.

    Give an open file, not the path, to libraries: they would read and write the path unencrypted.
    """

    def open(  # type: ignore[override]  # of the overloads, those for bytes
        self, mode: str = "r", *_: Any, **__: Any
    ) -> IO[Any]:
        """Open the file; mode is "rb" or "wb"."""
        if mode == "rb":
            descriptor = os.open(self, os.O_RDONLY | os.O_CLOEXEC)
            salt = os.read(descriptor, SALT_BYTES)
            return io.BufferedReader(EncryptedFile(descriptor, file_key(salt)), _BUFFER)
        if mode != "wb":
            raise ValueError(f"an encrypted file is opened with rb or wb, not {mode}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        return buffered_writer(new_file(os.open(self, flags, 0o600)))

    def read_bytes(self) -> bytes:
        """Return the plaintext."""
        with self.open("rb") as file:
            content: bytes = file.read(max(self.stat().st_size - SALT_BYTES, 0))
        return content

    def write_bytes(self, data: Any) -> int:
        """Encrypt and write the bytes; return their number."""
        with self.open("wb") as file:
            return file.write(data)

    def read_text(self, *_: Any, **__: Any) -> str:
        """Return the plaintext, decoded as UTF-8."""
        return self.read_bytes().decode()

    def write_text(self, data: str, *_: Any, **__: Any) -> int:
        """Encrypt and write the text as UTF-8; return the number of bytes."""
        return self.write_bytes(data.encode())


def file_key(salt: bytes) -> bytes:
    """Return the key of the file that begins with this salt."""
    return hashlib.blake2b(salt, key=_PROCESS_KEY, digest_size=KEY_BYTES).digest()


def new_file(descriptor: int) -> EncryptedFile:
    """Begin an encrypted file in an empty one."""
    salt = os.urandom(SALT_BYTES)
    os.write(descriptor, salt)
    return EncryptedFile(descriptor, file_key(salt), writable=True)


def buffered_writer(file: EncryptedFile) -> io.BufferedWriter:
    """Return the file with a buffer, which small writes need."""
    return io.BufferedWriter(file, _BUFFER)


@contextmanager
def temporary_file() -> Iterator[EncryptedFile]:
    """Yield a new encrypted file without a name, open for writing."""
    with tempfile.TemporaryFile() as file, new_file(os.dup(file.fileno())) as encrypted:
        yield encrypted


def _cipher(key: bytes, position: int) -> CipherContext:
    """Return the keystream from a position on; encryption and decryption are the same."""
    counter = (position // _BLOCK).to_bytes(_BLOCK, "big")
    cipher = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    cipher.update(bytes(position % _BLOCK))
    return cipher

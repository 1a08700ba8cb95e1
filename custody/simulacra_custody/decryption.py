"""Decryption of AWS Encryption SDK messages: a whole message, or the frames of a byte range.

The SDK reads the header: it checks the key commitment, the encryption context and the header's tag.
The frames are decrypted here with the message key and the AES-GCM of `cryptography`. The SDK can
read a message from its beginning only, and takes several times as long.

A frame's tag covers the message id, the frame's number, its length and whether it is the last one.
So no frame of another message or from another position authenticates. Source:
https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/message-format.html
"""

import itertools
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simulacra_custody.envelope import CLIENT, FRAME_BYTES, Buffer
from simulacra_custody.errors import ArtifactCorrupt, CustodyError

_LAST_MARK = b"\xff\xff\xff\xff"
_LAST_HEAD = struct.Struct(">I12sI")
_NONCE, _TAG = 12, 16
_OVERHEAD = 4 + _NONCE + _TAG
# The last frame states its number and its length as well.
_LAST_OVERHEAD = 4 + _LAST_HEAD.size + _TAG
_FRAME_AAD = b"AWSKMSEncryptionClient Frame"
_LAST_AAD = b"AWSKMSEncryptionClient Final Frame"


class ChunkReader:
    """An iterator of chunks as a stream; `position` is the number of bytes that were read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = Buffer()
        self.position = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        while self._buffer.size < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._buffer.feed(chunk)
        content = self._buffer.read(size)
        self.position += len(content)
        return content


class Message:
    """A message whose header is authentic. Its frames authenticate under this message id only.

    Attributes:
        id: the message id, hex: 32 random bytes of which the message key is derived.
    """

    def __init__(
        self, name: str, keyring: Any, context: dict[str, str], source: ChunkReader
    ) -> None:
        """Read the header from the source, which is then at the first frame.

        Args:
            name: the object's key, for error messages.
            keyring: of `envelope.data_keyring` or `envelope.kms_keyring`.
            context: the exact encryption context of the message.
            source: the message from its beginning.

        Raises:
            ArtifactCorrupt: the SDK rejects the header, or its context differs. Errors of the
                source pass through.
        """
        self._name = name
        with self._corrupt():
            stream: Any = CLIENT.stream(
                mode="decrypt",
                source=source,
                keyring=keyring,
                encryption_context=context,
                max_body_length=FRAME_BYTES,
            )
            header = stream.header
            # The SDK accepts a message with more context than the caller states.
            if header.encryption_context != context:
                raise ArtifactCorrupt(f"{name} is bound to another encryption context")
            if not header.frame_length:
                raise ArtifactCorrupt(f"{name} has no frames")
            self.id = str(header.message_id.hex())
            self._raw_id = bytes(header.message_id)
            self._frame_bytes = int(header.frame_length)
            # The SDK has no public name for the message key.
            self._cipher = AESGCM(stream._derived_data_key)
        self._body_start = source.position

    def whole(self, source: ChunkReader) -> Iterator[bytes]:
        """Yield the plaintext frame by frame, each authenticated before, from the first frame on.

        Raises:
            ArtifactCorrupt: a frame does not authenticate or is missing, or bytes follow the last.
        """
        yield from self._frames(source, 1)
        if source.read(1):
            raise ArtifactCorrupt(f"{self._name} has bytes after the end of its message")

    def part(
        self, open_range: Callable[[int, int], Iterator[bytes]], start: int, end: int
    ) -> Iterator[bytes]:
        """Yield bytes ``start`` to ``end`` (exclusive) of the plaintext, reading their frames only.

        Args:
            open_range: opens a byte range of the message.
            start: the first byte.
            end: the end, at most the size of the plaintext.

        Raises:
            ArtifactCorrupt: one of the frames does not authenticate or is missing.
        """
        first, stop = start // self._frame_bytes, -(-end // self._frame_bytes)
        step = self._frame_bytes + _OVERHEAD
        close = self._body_start + stop * step + _LAST_OVERHEAD - _OVERHEAD
        source = ChunkReader(open_range(self._body_start + first * step, close))
        skipped = first * self._frame_bytes
        yield from cut(self._frames(source, first + 1), start - skipped, end - skipped)

    def _frames(self, source: ChunkReader, first: int) -> Iterator[bytes]:
        with self._corrupt():
            for number in itertools.count(first):
                mark = source.read(4)
                last = mark == _LAST_MARK
                if last:
                    stated, nonce, length = _LAST_HEAD.unpack(source.read(_LAST_HEAD.size))
                else:
                    stated, length = int.from_bytes(mark), self._frame_bytes
                    nonce = source.read(_NONCE)
                if stated != number or length > self._frame_bytes:
                    raise ArtifactCorrupt(f"{self._name} has a frame out of order")
                kind = _LAST_AAD if last else _FRAME_AAD
                bound = b"".join((self._raw_id, kind, number.to_bytes(4), length.to_bytes(8)))
                if plaintext := self._cipher.decrypt(nonce, source.read(length + _TAG), bound):
                    yield plaintext
                if last:
                    return

    @contextmanager
    def _corrupt(self) -> Iterator[None]:
        """Raise as `ArtifactCorrupt` what the SDK and the libraries under it raise."""
        try:
            yield
        except CustodyError:
            raise
        except Exception as error:
            reason = type(error).__name__
            raise ArtifactCorrupt(f"{self._name} does not authenticate ({reason})") from None


def cut(chunks: Iterator[bytes], start: int, end: int) -> Iterator[bytes]:
    """Yield bytes ``start`` to ``end`` (exclusive) of a stream, then stop reading."""
    at = 0
    for chunk in chunks:
        piece = chunk[max(start - at, 0) : end - at]
        at += len(chunk)
        if piece:
            yield piece
        if at >= end:
            return

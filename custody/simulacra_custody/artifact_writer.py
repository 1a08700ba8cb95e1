"""Writer of one encrypted artifact."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulacra_custody.refs import ArtifactRef
from simulacra_custody.stores.base import ObjectStore, Upload

if TYPE_CHECKING:
    from simulacra_custody.envelope import Encryptor


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """A stored artifact.

    Attributes:
        bytes: bytes of plaintext.
        stored_bytes: bytes of ciphertext.
        sha256: SHA-256 of the plaintext, hex.
        message_id: id of its message, hex; None when it is not known.
    """

    name: str
    bytes: int
    stored_bytes: int
    sha256: str
    message_id: str | None = None


class ArtifactWriter:
    """A file object that encrypts and stores; it has the methods that pyarrow's writers need."""

    def __init__(self, name: str, encryptor: "Encryptor", upload: Upload) -> None:
        self._name = name
        self._encryptor = encryptor
        self._upload = upload
        self._digest = hashlib.sha256()
        self._bytes = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Encrypt and store all bytes; return their number. Raises ValueError once closed."""
        self._check_open()
        self._digest.update(data)
        for chunk in self._encryptor.update(data):
            self._upload.write(chunk)
        size = memoryview(data).nbytes
        self._bytes += size
        return size

    def tell(self) -> int:
        """Return the number of plaintext bytes written."""
        return self._bytes

    def flush(self) -> None:
        """Do nothing: a frame is stored as soon as it is full, and no part of a frame can be."""

    def commit(self) -> StoredArtifact:
        """Finish the message and make the artifact visible, replacing one of the same name."""
        self._check_open()
        self.closed = True
        for chunk in self._encryptor.finalize():
            self._upload.write(chunk)
        info = self._upload.commit()
        digest, message_id = self._digest.hexdigest(), self._encryptor.message_id
        return StoredArtifact(self._name, self._bytes, info.size, digest, message_id)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the artifact is already committed or abandoned; open a new writer")


@contextlib.contextmanager
def open_artifact(
    store: ObjectStore, ref: ArtifactRef, encryptor: "Encryptor"
) -> Iterator[ArtifactWriter]:
    """Open a writer; without `ArtifactWriter.commit` nothing is stored."""
    with store.open_put(ref.key) as upload:
        writer = ArtifactWriter(ref.name, encryptor, upload)
        try:
            yield writer
        finally:
            writer.closed = True

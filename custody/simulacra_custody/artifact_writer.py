"""The writer of one encrypted artifact, and what it reports."""

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
    """What was stored: plaintext bytes and their SHA-256 (hex), and the bytes that the ciphertext takes."""

    name: str
    bytes: int
    stored_bytes: int
    sha256: str


class ArtifactWriter:
    """An artifact being written, push style; a file object as far as pyarrow's writers ask for one."""

    def __init__(self, name: str, encryptor: "Encryptor", upload: Upload) -> None:
        self._name, self._encryptor, self._upload = name, encryptor, upload
        self._digest = hashlib.sha256()
        self._bytes = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Encrypt and store bytes; how many were taken (all). ValueError once committed or left."""
        self._check_open()
        self._digest.update(data)
        for chunk in self._encryptor.update(data):
            self._upload.write(chunk)
        size = memoryview(data).nbytes
        self._bytes += size
        return size

    def tell(self) -> int:
        """Plaintext bytes written so far."""
        return self._bytes

    def flush(self) -> None:
        """A full frame is stored as soon as it is full; nothing less can be."""

    def commit(self) -> StoredArtifact:
        """Finish the message and make the artifact visible, replacing one of the same name."""
        self._check_open()
        self.closed = True
        for chunk in self._encryptor.finalize():
            self._upload.write(chunk)
        info = self._upload.commit()
        return StoredArtifact(self._name, self._bytes, info.size, self._digest.hexdigest())

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the artefact is committed or abandoned already")


@contextlib.contextmanager
def open_artifact(
    store: ObjectStore, ref: ArtifactRef, encryptor: "Encryptor"
) -> Iterator[ArtifactWriter]:
    """Put an artifact through an encryptor; leaving without `ArtifactWriter.commit` stores nothing."""
    with store.open_put(ref.key) as upload:
        writer = ArtifactWriter(ref.artefact, encryptor, upload)
        try:
            yield writer
        finally:
            writer.closed = True

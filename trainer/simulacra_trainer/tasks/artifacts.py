"""Encrypted artifacts of one resource, read and written through custody."""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from simulacra_crds.kinds.base import Artifact
from simulacra_crds.tasks import CustomerKeyRef, KeyedRef
from simulacra_custody.artifact_writer import ArtifactWriter, StoredArtifact
from simulacra_custody.refs import ArtifactRef, ResourceRef
from simulacra_custody.service import Custody

SMALL_BYTES = 64 << 20
CHUNK_BYTES = 1 << 20
M = TypeVar("M", bound=BaseModel)


class Artifacts:
    """Artifacts of one resource. Every method may raise `CustodyError`."""

    def __init__(self, custody: Custody, tenant: str, resource: KeyedRef) -> None:
        self._custody = custody
        self._key = resource.wrapped_key
        self._resource = ResourceRef(tenant, resource.kind, resource.uid)

    def exists(self, name: str) -> bool:
        """Whether the artifact is stored."""
        return self._custody.exists(self._ref(name))

    def names(self, prefix: str) -> list[str]:
        """Return the names of the stored artifacts that begin with the prefix."""
        names = self._custody.list_artifacts(self._resource)
        return [name for name in names if name.startswith(prefix)]

    def load(self, name: str, kind: type[M]) -> M:
        """Read a small JSON artifact."""
        return kind.model_validate_json(self.read(name))

    def find(self, name: str, kind: type[M]) -> M | None:
        """Read a small JSON artifact; None if it is not stored."""
        return self.load(name, kind) if self.exists(name) else None

    def read(self, name: str) -> bytes:
        """Read a small artifact."""
        return self._custody.read_bytes(self._ref(name), self._key, limit=SMALL_BYTES)

    def download(self, name: str, path: Path) -> Path:
        """Write the plaintext to a file; return the path."""
        with path.open("wb") as file:
            for chunk in self._custody.read(self._ref(name), self._key):
                file.write(chunk)
        return path

    def store(self, name: str, content: bytes) -> Artifact:
        """Store bytes."""
        return _describe(self._custody.write(self._ref(name), self._key, [content]))

    def store_model(self, name: str, content: BaseModel) -> Artifact:
        """Store a JSON document."""
        return self.store(name, content.model_dump_json(by_alias=True, exclude_none=True).encode())

    def upload(self, name: str, path: Path, rows: int | None = None) -> Artifact:
        """Store a file."""
        return _describe(self._custody.write(self._ref(name), self._key, _chunks(path)), rows)

    def store_table(
        self,
        name: str,
        tables: Iterator[pa.Table],
        schema: pa.Schema,
        key: CustomerKeyRef | None = None,
    ) -> Artifact:
        """Store tables of one schema as one Parquet file, all or none, in constant memory.

        Under a customer's key the artifact cannot be read here again.
        """
        rows = 0
        with self._writer(name, key) as sink:
            with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
                for table in tables:
                    writer.write_table(table)
                    rows += table.num_rows
            stored = sink.commit()
        known = {"message_id": stored.message_id, "key_arn": key.key_arn if key else None}
        return _describe(stored, rows).model_copy(update=known)

    def _writer(
        self, name: str, key: CustomerKeyRef | None
    ) -> AbstractContextManager[ArtifactWriter]:
        if key is None:
            return self._custody.open_writer(self._ref(name), self._key)
        from simulacra_custody.keys.customer_kms import (  # imports boto3, an extra
            CustomerKey,
            open_customer_writer,
        )

        own = CustomerKey(key.key_arn, key.role_arn, key.external_id)
        return open_customer_writer(self._custody.store, self._ref(name), own)

    def describe(self, name: str, rows: int | None = None) -> Artifact:
        """Read an artifact; return its size and digest."""
        digest = hashlib.sha256()
        size = 0
        for chunk in self._custody.read(self._ref(name), self._key):
            digest.update(chunk)
            size += len(chunk)
        return Artifact(name=name, bytes=size, sha256=digest.hexdigest(), rows=rows)

    def erase(self, name: str) -> None:
        """Delete an artifact, if it is stored."""
        self._custody.store.delete(self._ref(name).key)

    def _ref(self, name: str) -> ArtifactRef:
        return self._resource.artifact(name)


def _describe(stored: StoredArtifact, rows: int | None = None) -> Artifact:
    return Artifact(name=stored.name, bytes=stored.bytes, sha256=stored.sha256, rows=rows)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk

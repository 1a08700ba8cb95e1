"""Verified reads: every requested byte of an artifact is authenticated before the first is given.

A resource's status names each artifact by its SHA-256 and, for tables, by its message id. An older
version authenticates under the same key, but has another message id. Where the id differs (a
retried pod wrote the same rows again) or was not recorded, the SHA-256 of the plaintext decides.

A small artifact stays in memory between the check and the answer. A larger one is read twice. What
changes in between does not authenticate: the second read keeps the message of the first.
"""

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from simulacra_custody.artifact_writer import StoredArtifact
from simulacra_custody.decryption import ChunkReader, Message, cut
from simulacra_custody.errors import ArtifactCorrupt
from simulacra_custody.refs import ArtifactRef
from simulacra_custody.stores.base import ObjectStore

_HEADER_BYTES = 4096
"""More than the header of any message: it holds the context and one encrypted key."""


def open_message(
    store: ObjectStore, ref: ArtifactRef, keyring: Any, size: int | None = None
) -> tuple[Message, ChunkReader]:
    """Return an artifact's message and its source at the first frame, limited to ``size`` bytes."""
    source = ChunkReader(store.open_range(ref.key, 0, size))
    return Message(ref.key, keyring, ref.encryption_context, source), source


def verified(
    store: ObjectStore,
    ref: ArtifactRef,
    keyring: Any,
    stated: StoredArtifact,
    start: int,
    end: int,
    held_bytes: int,
) -> Iterator[bytes]:
    """Authenticate bytes ``start`` to ``end`` (exclusive), then return an iterator over them.

    The whole artifact is read unless the range is a part of the message that ``stated`` names.

    Raises:
        ArtifactCorrupt: at the call, when the bytes do not authenticate or are of another artifact
            or version; while iterating, when the object was changed after the check.
        ArtifactMissing, StoreUnavailable: at the call or while iterating.
    """
    read = partial(store.open_range, ref.key)
    whole = (start, end) == (0, stated.bytes)
    message, source = open_message(store, ref, keyring, None if whole else _HEADER_BYTES)
    digest = None
    if message.id != stated.message_id:
        digest = hashlib.sha256()
        message, source = open_message(store, ref, keyring)
    if digest is None and not whole:
        first, size = start, end - start
        chunks = message.part(read, start, end)
    else:
        first, size = 0, stated.bytes
        chunks = message.whole(source)
    held: list[bytes] = []
    found = 0
    for chunk in chunks:
        found += len(chunk)
        if digest is not None:
            digest.update(chunk)
        if found <= held_bytes:
            held.append(chunk)
        else:
            held.clear()
    if found != size or (digest is not None and digest.hexdigest() != stated.sha256):
        raise ArtifactCorrupt(f"{ref.key} is another version than its resource states")
    if found <= held_bytes:
        return cut(iter(held), start - first, end - first)
    return message.part(read, start, end)

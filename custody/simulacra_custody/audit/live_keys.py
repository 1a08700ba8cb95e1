"""Signed Merkle root of the live data keys, and proofs that an erased key is not among them.

The operator lists the resources that have a data key, hashes each one's identifier with a nonce of
this root, sorts the hashes, and signs the root of the RFC 6962 tree over them. An erased key is
absent if its own hash lies between two leaves that are neighbors, so two inclusion proofs suffice.

The nonce is new with each root and random leaves fill the tree up to a power of two. So two
neighbors, which the holder of one certificate sees, name no resource, cannot be found again under
the next root, and the size tells the number of keys to the next power of two only.
"""

import bisect
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, PositiveInt

from simulacra_custody.audit.certificates import statement_of
from simulacra_custody.audit.event import Sha256
from simulacra_custody.audit.merkle import leaf_hash, node_hash
from simulacra_custody.errors import ArtifactCorrupt, ArtifactMissing
from simulacra_custody.stores.base import ObjectStore, read_object

LIVE_KEYS_TYPE = "simulacra-live-keys+json"
"""Type of the signed root (header `typ` of its JSON Web Signature)."""
MIN_LEAVES = 16
KEPT = 3
"""Published sets in the store: a reader may have listed one just before the next was published."""
_ROOT = "live-keys/"
_LEAF_BYTES = 32

LiveKey = tuple[str, str]
"""Lower-case plural of a resource's kind, and its uid."""


class LiveKeysRoot(BaseModel, extra="forbid", frozen=True):
    """The statement that is signed.

    Attributes:
        installation: name of the installation's audit log.
        listed_at: when the listing of the live keys began.
        nonce: random bytes (hex) that are hashed with each identifier.
        size: number of leaves, a power of two.
        root: the tree's hash (hex).
    """

    version: Literal[1] = 1
    installation: str
    listed_at: AwareDatetime
    nonce: Sha256
    size: PositiveInt
    root: Sha256

    def statement(self) -> bytes:
        """Return the bytes to sign."""
        return self.model_dump_json().encode()


@dataclass(frozen=True)
class LiveKeys:
    """A root with the tree under it.

    Attributes:
        levels: hashes of the tree: the sorted leaves first, unhashed, and the root last.
    """

    stated: LiveKeysRoot
    levels: tuple[tuple[bytes, ...], ...]

    @classmethod
    def build(cls, installation: str, live: Iterable[LiveKey], listed_at: AwareDatetime) -> Self:
        """Return the tree over some keys, under a new nonce."""
        nonce = os.urandom(_LEAF_BYTES)
        leaves = [_leaf(nonce, installation, key) for key in live]
        size = max(MIN_LEAVES, 1 << (len(leaves) - 1).bit_length())
        leaves += [os.urandom(_LEAF_BYTES) for _ in range(size - len(leaves))]
        levels = _levels(sorted(leaves))
        stated = LiveKeysRoot(
            installation=installation,
            listed_at=listed_at,
            nonce=nonce.hex(),
            size=size,
            root=levels[-1][0].hex(),
        )
        return cls(stated, levels)

    def absence_proof(self, key: LiveKey) -> list[dict[str, Any]] | None:
        """Return the neighbors of an absent key with their inclusion proofs; None if it is live.

        Each has ``index``, ``leaf`` (hex) and ``path`` (hex), the siblings from leaf to root.
        There is one neighbor at either end of the leaves, else two.
        """
        leaves = self.levels[0]
        leaf = _leaf(bytes.fromhex(self.stated.nonce), self.stated.installation, key)
        right = bisect.bisect_left(leaves, leaf)
        if right < len(leaves) and leaves[right] == leaf:
            return None
        return [self._included(one) for one in (right - 1, right) if 0 <= one < len(leaves)]

    def _included(self, index: int) -> dict[str, Any]:
        siblings = [level[(index >> height) ^ 1] for height, level in enumerate(self.levels[1:-1])]
        path = [one.hex() for one in siblings]
        return {"index": index, "leaf": self.levels[0][index].hex(), "path": path}


class PublishedLiveKeys:
    """The published sets in the audit log's store, each one object: signed root and leaves."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._newest: tuple[str, str, LiveKeys] | None = None

    def publish(self, live: LiveKeys, signed: str) -> None:
        """Store a set with its signed root, then erase all but the newest sets."""
        name = f"{_ROOT}{int(live.stated.listed_at.timestamp() * 1000):015d}"
        self._store.put(name, [signed.encode(), b"\n", *live.levels[0]])
        for old in self._names()[:-KEPT]:
            self._store.delete(old)

    def newest(self) -> tuple[str, LiveKeys] | None:
        """Return the newest signed root and its tree; None before the first."""
        while names := self._names():
            if self._newest is not None and self._newest[0] == names[-1]:
                return self._newest[1:]
            # The operator may erase it before it is read; then there is a newer one.
            with suppress(ArtifactMissing):
                self._newest = (names[-1], *_read(self._store, names[-1]))
        return None

    def proof(self, statement: dict[str, Any]) -> dict[str, Any] | None:
        """Return the absence proof for the statement of an erasure certificate.

        None while the newest root is from before the erasure, or still has the key.

        Raises:
            ArtifactCorrupt: the stored leaves do not have the root that was signed.
        """
        newest = self.newest()
        if newest is None:
            return None
        signed, live = newest
        if live.stated.listed_at <= datetime.fromisoformat(statement["verified_absent_at"]):
            return None
        neighbors = live.absence_proof((statement["kind"], statement["uid"]))
        if neighbors is None:
            return None
        return {"root": root_document(live.stated, signed), "neighbors": neighbors}

    def _names(self) -> list[str]:
        return [info.key for info in self._store.list(_ROOT)]


def root_document(stated: LiveKeysRoot, signed: str) -> dict[str, Any]:
    """Return a root as it is published: readable, and as compact JSON Web Signature."""
    return {"statement": stated.model_dump(mode="json"), "signature": signed}


def _leaf(nonce: bytes, installation: str, key: LiveKey) -> bytes:
    """Return ``SHA-256(nonce || installation LF kind LF uid)``."""
    kind, uid = key
    return hashlib.sha256(nonce + f"{installation}\n{kind}\n{uid}".encode()).digest()


def _levels(leaves: list[bytes]) -> tuple[tuple[bytes, ...], ...]:
    """Return the leaves, their hashes, and each further level up to the root."""
    levels = [tuple(leaves), tuple(leaf_hash(leaf) for leaf in leaves)]
    while len(level := levels[-1]) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        levels.append(tuple(node_hash(left, right) for left, right in pairs))
    return tuple(levels)


def _read(store: ObjectStore, name: str) -> tuple[str, LiveKeys]:
    signed, _, raw = read_object(store, name).partition(b"\n")
    leaves = [raw[start : start + _LEAF_BYTES] for start in range(0, len(raw), _LEAF_BYTES)]
    try:
        stated = LiveKeysRoot.model_validate(statement_of(signed.decode()))
        live = LiveKeys(stated, _levels(leaves))
    except (ValueError, IndexError) as error:
        raise ArtifactCorrupt("the published set of live keys is malformed") from error
    if (len(leaves), live.levels[-1][0].hex()) != (stated.size, stated.root):
        raise ArtifactCorrupt("the published set of live keys does not have its signed root")
    return signed.decode(), live

"""Merkle trees of RFC 6962, section 2.1, built leaf by leaf.

A tree of n leaves is kept as its peaks: the roots of its perfect subtrees, one for each 1 in the
binary form of n, largest first. They suffice to append a leaf and to compute the root, in O(log n)
space.
"""

import hashlib
from collections.abc import Sequence

Peaks = tuple[bytes, ...]


def leaf_hash(data: bytes) -> bytes:
    """Return ``SHA-256(0x00 || data)``."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return ``SHA-256(0x01 || left || right)``."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def append_leaf(size: int, peaks: Peaks, leaf: bytes) -> Peaks:
    """Return the peaks of ``size + 1`` leaves from those of ``size`` and the new leaf's hash."""
    stack = [*peaks, leaf]
    while size & 1:
        right = stack.pop()
        stack.append(node_hash(stack.pop(), right))
        size >>= 1
    return tuple(stack)


def root_hash(peaks: Peaks) -> bytes:
    """Return the tree's hash, 32 bytes; for the empty tree ``SHA-256("")``."""
    if not peaks:
        return hashlib.sha256(b"").digest()
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


class Tree:
    """The hashes of a tree's parts, from its leaves; the first ones may be known by peaks only.

    Those peaks suffice: a part that RFC 6962 splits off before a later leaf is one of them.
    """

    def __init__(self, leaves: Sequence[bytes], before: int = 0, peaks: Peaks = ()) -> None:
        self.size = before + len(leaves)
        self._leaves = leaves
        self._before = before
        self._peaks = {}
        start = 0
        for peak in peaks:
            end = start + (1 << (before - start).bit_length() - 1)
            self._peaks[start, end] = peak
            start = end

    def hash(self, start: int, end: int) -> bytes:
        """Return the hash of the leaves ``start`` to ``end`` (exclusive), which must be known."""
        if (peak := self._peaks.get((start, end))) is not None:
            return peak
        if end - start == 1:
            return self._leaves[start - self._before]
        split = _split(start, end)
        return node_hash(self.hash(start, split), self.hash(split, end))

    def consistency_proof(self, old_size: int) -> tuple[bytes, ...]:
        """Return the proof that the tree begins with ``old_size`` leaves (RFC 6962, 2.1.2).

        Raises:
            ValueError: unless the old size is positive, up to the size, and has its last leaf.
        """
        least = max(1, self._before)
        if not least <= old_size <= self.size:
            raise ValueError(f"a consistency proof needs an old size of {least} to {self.size}")
        return self._subproof(0, self.size, old_size, whole=True)

    def _subproof(self, start: int, end: int, old: int, *, whole: bool) -> tuple[bytes, ...]:
        if old == end:
            return () if whole else (self.hash(start, end),)
        split = _split(start, end)
        if old <= split:
            rest = self._subproof(start, split, old, whole=whole)
            return (*rest, self.hash(split, end))
        rest = self._subproof(split, end, old, whole=False)
        return (*rest, self.hash(start, split))


def _split(start: int, end: int) -> int:
    return start + (1 << (end - start - 1).bit_length() - 1)

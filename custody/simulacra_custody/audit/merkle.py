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


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the tree's hash from its leaves' hashes."""
    peaks: Peaks = ()
    for size, leaf in enumerate(leaves):
        peaks = append_leaf(size, peaks, leaf)
    return root_hash(peaks)


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Return the proof that the tree begins with the first ``old_size`` leaves (RFC 6962, 2.1.2).

    Raises:
        ValueError: unless ``0 < old_size <= len(leaves)``.
    """
    if not 0 < old_size <= len(leaves):
        raise ValueError(f"a consistency proof needs an old size of 1 to {len(leaves)}")
    return _subproof(leaves, old_size, whole=True)


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> tuple[bytes, ...]:
    size = len(leaves)
    if old_size == size:
        return () if whole else (tree_hash(leaves),)
    split = 1 << (size - 1).bit_length() - 1
    if old_size <= split:
        return (*_subproof(leaves[:split], old_size, whole=whole), tree_hash(leaves[split:]))
    return (*_subproof(leaves[split:], old_size - split, whole=False), tree_hash(leaves[:split]))

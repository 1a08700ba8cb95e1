"""Merkle trees of RFC 6962, section 2.1, grown leaf by leaf.

A tree of n leaves is kept as its peaks: the roots of the perfect subtrees that n's binary digits name, largest first.
They are all that is needed to append and to compute the root, in O(log n) space.
"""

import hashlib

Peaks = tuple[bytes, ...]


def leaf_hash(data: bytes) -> bytes:
    """``SHA-256(0x00 || data)``."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """``SHA-256(0x01 || left || right)``."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def append_leaf(size: int, peaks: Peaks, leaf: bytes) -> Peaks:
    """Peaks of the tree of ``size + 1`` leaves, from those of ``size`` leaves and the new leaf's hash."""
    stack = [*peaks, leaf]
    while size & 1:
        right = stack.pop()
        stack.append(node_hash(stack.pop(), right))
        size >>= 1
    return tuple(stack)


def root_hash(peaks: Peaks) -> bytes:
    """The tree's hash, 32 bytes; that of the empty tree is ``SHA-256("")``."""
    if not peaks:
        return hashlib.sha256(b"").digest()
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root

"""Merkle trees of RFC 6962, section 2.1, grown leaf by leaf.

A tree of n leaves is kept as its peaks: the roots of the perfect subtrees that n's binary digits name, largest first.
They are all that is needed to append and to compute the root, in O(log n) space.
"""

import hashlib
from collections.abc import Sequence

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


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """The tree's hash from its leaves' hashes, as `root_hash` gives it from the peaks."""
    peaks: Peaks = ()
    for size, leaf in enumerate(leaves):
        peaks = append_leaf(size, peaks, leaf)
    return root_hash(peaks)


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Proof that the tree of all leaves' hashes begins with the tree of the first ``old_size`` (RFC 6962, 2.1.2).

    Raises:
        ValueError: unless ``0 < old_size <= len(leaves)``.
    """
    if not 0 < old_size <= len(leaves):
        raise ValueError(
            "a consistency proof begins at a tree that is not empty and no larger than the other"
        )
    return _subproof(leaves, old_size, whole=True)


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> tuple[bytes, ...]:
    size = len(leaves)
    if old_size == size:
        return () if whole else (tree_hash(leaves),)
    split = 1 << (size - 1).bit_length() - 1
    if old_size <= split:
        return (*_subproof(leaves[:split], old_size, whole=whole), tree_hash(leaves[split:]))
    return (*_subproof(leaves[split:], old_size - split, whole=False), tree_hash(leaves[:split]))


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether a proof shows that the tree (size, root) begins with the tree (old_size, old_root); RFC 9162, 2.1.4.2."""
    if not 0 < old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == root
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        return False
    old_node, node = old_size - 1, size - 1
    while old_node & 1:
        old_node, node = old_node >> 1, node >> 1
    old_hash = new_hash = path[0]
    for step in path[1:]:
        if node == 0:
            return False
        if old_node & 1 or old_node == node:
            old_hash, new_hash = node_hash(step, old_hash), node_hash(step, new_hash)
            while not old_node & 1 and old_node:
                old_node, node = old_node >> 1, node >> 1
        else:
            new_hash = node_hash(new_hash, step)
        old_node, node = old_node >> 1, node >> 1
    return (old_hash, new_hash, node) == (old_root, root, 0)

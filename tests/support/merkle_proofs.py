"""Verification of RFC 6962 consistency proofs, as a recipient of a checkpoint does it."""

from collections.abc import Sequence

from simulacra_custody.audit.merkle import node_hash


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Return whether a proof shows that one tree begins with another (RFC 9162, 2.1.4.2)."""
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

"""RFC 6962 trees: reference vectors, recursive definition and consistency proofs."""

import hashlib

import pytest

from merkle_proofs import verify_consistency
from simulacra_custody.audit.merkle import (
    Tree,
    append_leaf,
    leaf_hash,
    node_hash,
    root_hash,
)

LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [  # google/certificate-transparency, merkle tree tests
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def grow(leaves: list[bytes]) -> bytes:
    peaks: tuple[bytes, ...] = ()
    for size, leaf in enumerate(leaves):
        peaks = append_leaf(size, peaks, leaf_hash(leaf))
    return root_hash(peaks)


def tree_hash(leaves: list[bytes]) -> bytes:
    """Return MTH as RFC 6962, 2.1 defines it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(tree_hash(leaves[:split]), tree_hash(leaves[split:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_equal_the_reference_vectors(size: int) -> None:
    assert grow([bytes.fromhex(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size - 1]


def test_roots_follow_the_recursive_definition() -> None:
    leaves: list[bytes] = []
    for number in range(131):
        assert grow(leaves) == tree_hash(leaves)
        leaves.append(str(number).encode())


def test_consistency_proofs_verify_for_their_pair_of_sizes_only() -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(40)]
    roots = [hashlib.sha256(b"").digest()] + [Tree(leaves).hash(0, size) for size in range(1, 41)]
    for size in range(1, 41):
        for old in range(1, size + 1):
            proof = Tree(leaves[:size]).consistency_proof(old)
            assert verify_consistency(old, roots[old], size, roots[size], proof)
            assert not verify_consistency(old, roots[old], size, roots[size - 1], proof)
            assert not verify_consistency(old, roots[old - 1], size, roots[size], proof)
            assert not verify_consistency(old, roots[old], size, roots[size], (*proof, roots[1]))
            if proof:
                assert not verify_consistency(old, roots[old], size, roots[size], proof[:-1])
    for old in (0, 41):
        with pytest.raises(ValueError, match="consistency proof"):
            Tree(leaves).consistency_proof(old)
        assert not verify_consistency(old, roots[0], 40, roots[40], ())

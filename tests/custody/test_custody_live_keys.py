"""Live keys as a signed root: absence proofs hold for absent keys only, and name nobody."""

from __future__ import annotations

import copy
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from proofs import KEYS, THEN, Proofs, statement
from simulacra.certificates import verify_absence
from simulacra_custody.audit.certificates import statement_of
from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.audit.live_keys import KEPT, LiveKey, LiveKeys, PublishedLiveKeys
from simulacra_custody.audit.merkle import Tree, leaf_hash
from simulacra_custody.errors import ArtifactCorrupt
from simulacra_custody.stores.local import LocalStore

LATER = THEN + timedelta(seconds=1)
PUBLIC = KEYS.public_document()


def keys(count: int) -> list[LiveKey]:
    return [("datasets", str(uuid.uuid4())) for _ in range(count)]


def certified(proofs: Proofs, store: LocalStore, uid: str) -> dict[str, Any]:
    """Return a certificate of an erasure at THEN as the API shows it."""
    signed = proofs.certify("uid-1", "ds-1", uid)
    stated = statement_of(signed)
    proof = PublishedLiveKeys(store).proof(stated)
    return {"statement": stated, "signature": signed, "absence_proof": proof}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "audit")


@pytest.fixture
def proofs(store: LocalStore, tmp_path: Path) -> Proofs:
    return Proofs(tmp_path / "audit")


@pytest.mark.parametrize("live", [0, 1, 15, 16, 17, 300])
def test_every_absent_key_has_a_proof_and_no_live_one(live: int) -> None:
    known = keys(live)
    tree = LiveKeys.build(KEYS.log_name, known, LATER)
    leaves = tree.levels[0]
    assert tree.stated.root == Tree([leaf_hash(one) for one in leaves]).hash(0, len(leaves)).hex()
    assert all(tree.absence_proof(one) is None for one in known)
    signed = KEYS.sign(tree.stated.statement(), "simulacra-live-keys+json")
    root = {"statement": tree.stated.model_dump(mode="json"), "signature": signed}
    for _, uid in keys(100):
        one = statement("uid-1", "ds-1", uid)
        proof = {"root": root, "neighbors": tree.absence_proof(("datasets", uid))}
        certificate = {"signature": KEYS.sign_certificate(one.statement()), "absence_proof": proof}
        assert verify_absence(certificate, PUBLIC) == root["statement"]


def test_proof_needs_a_root_from_after_the_erasure(proofs: Proofs, store: LocalStore) -> None:
    uid = str(uuid.uuid4())
    assert certified(proofs, store, uid)["absence_proof"] is None
    proofs.publish_live_keys(at=THEN)
    assert certified(proofs, store, uid)["absence_proof"] is None
    proofs.publish_live_keys(("datasets", uid), at=LATER)
    without = certified(proofs, store, uid)
    assert without["absence_proof"] is None
    assert verify_absence(without, PUBLIC) is None, "a certificate without a proof stays valid"
    proofs.publish_live_keys(at=LATER + timedelta(seconds=1))
    assert verify_absence(certified(proofs, store, uid), PUBLIC) is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: proof["neighbors"].pop(),
        lambda proof: proof["neighbors"].reverse(),
        lambda proof: proof["neighbors"].clear(),
        lambda proof: proof["neighbors"][0].update(leaf="00" * 32),
        lambda proof: proof["neighbors"][0].update(index=proof["neighbors"][1]["index"]),
        lambda proof: proof["neighbors"][0].update(index=-1),
        lambda proof: proof["neighbors"][0]["path"].pop(),
        lambda proof: proof["root"]["statement"].update(size=8),
        lambda proof: proof["root"].pop("signature"),
        lambda proof: proof.pop("root"),
        lambda proof: proof.update(neighbors=3),
    ],
)
def test_changed_proof_is_refused(
    proofs: Proofs, store: LocalStore, change: Callable[[dict[str, Any]], object]
) -> None:
    proofs.publish_live_keys(*keys(40), at=LATER)
    good: dict[str, Any] = {}
    while len(good.get("absence_proof", {}).get("neighbors", ())) != 2:
        good = certified(proofs, store, str(uuid.uuid4()))
    bad = copy.deepcopy(good)
    change(bad["absence_proof"])
    with pytest.raises(ValueError, match="absence proof is not valid"):
        verify_absence(bad, PUBLIC)
    assert verify_absence(good, PUBLIC) is not None


def test_proof_of_another_key_or_installation_is_refused(proofs: Proofs, store: LocalStore) -> None:
    live = keys(40)
    tree = proofs.publish_live_keys(*live, at=LATER)
    other = certified(proofs, store, str(uuid.uuid4()))["absence_proof"]
    borrowed = certified(proofs, store, live[0][1]) | {"absence_proof": other}
    assert tree.absence_proof(live[0]) is None
    with pytest.raises(ValueError, match="do not enclose"):
        verify_absence(borrowed, PUBLIC)
    stranger = InstallationKeys.generate()
    foreign = LiveKeys.build(stranger.log_name, live, LATER)
    proof = {
        "root": {
            "signature": stranger.sign(foreign.stated.statement(), "simulacra-live-keys+json")
        },
        "neighbors": foreign.absence_proof(("datasets", "x")),
    }
    with pytest.raises(ValueError, match="absence proof is not valid"):
        verify_absence(certified(proofs, store, "x") | {"absence_proof": proof}, PUBLIC)


def test_no_leaf_is_found_again_under_the_next_root() -> None:
    live = keys(20)
    first, second = (LiveKeys.build(KEYS.log_name, live, LATER) for _ in range(2))
    assert not set(first.levels[0]) & set(second.levels[0])
    assert first.stated.size == second.stated.size == 32, "the number of keys is not told exactly"


def test_old_sets_are_erased_and_a_damaged_one_is_refused(
    proofs: Proofs, store: LocalStore, tmp_path: Path
) -> None:
    for step in range(KEPT + 2):
        proofs.publish_live_keys(at=LATER + timedelta(seconds=step))
    stored = sorted((tmp_path / "audit" / "live-keys").iterdir())
    assert len(stored) == KEPT
    content = bytearray(stored[-1].read_bytes())
    content[-1] ^= 1
    stored[-1].write_bytes(content)
    with pytest.raises(ArtifactCorrupt):
        PublishedLiveKeys(store).newest()


def test_ten_thousand_keys_are_published_within_bounds(proofs: Proofs, tmp_path: Path) -> None:
    live = keys(10_000)
    began = time.process_time()
    tree = proofs.publish_live_keys(*live, at=datetime.now(UTC))
    assert time.process_time() - began < 1.0
    [stored] = (tmp_path / "audit" / "live-keys").iterdir()
    assert stored.stat().st_size < 1 << 20
    proof = tree.absence_proof(("datasets", "absent")) or []
    assert all(len(one["path"]) == 14 for one in proof)

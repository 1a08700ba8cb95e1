"""Ownership of a store: the first claim or a takeover; only the owner may erase orphans."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from simulacra_custody.errors import ObjectExists, StoreForeign, StoreUnavailable
from simulacra_custody.keys.base import KeyProvider
from simulacra_custody.keys.keyring import LocalKeyring
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody
from simulacra_custody.stores.base import ObjectStore
from simulacra_custody.stores.local import LocalStore
from simulacra_custody.stores.owner import StoreOwner, mark_key

RAW = "tenants/acme/datasets/u1/raw"


def refuses(store: ObjectStore, installation: str, take_over: str | None = None) -> str:
    """Return the error of a store that an installation does not own."""
    with pytest.raises(StoreForeign) as refused:
        StoreOwner(store, installation, take_over).confirm()
    return str(refused.value)


def test_first_claim_owns_the_store(any_store: ObjectStore) -> None:
    StoreOwner(any_store, "first").confirm()
    StoreOwner(any_store, "first").confirm()
    said = refuses(any_store, "second")
    for part in (
        "SIMULACRA_STORE (store.url)",
        "installation first",
        "this is second",
        "SIMULACRA_STORE_TAKE_OVER",
    ):
        assert part in said
    assert any_store.stat(mark_key(2)) is None, "one mark is enough"


def test_one_of_many_concurrent_claims_succeeds(any_store: ObjectStore) -> None:
    names = [f"i{number}" for number in range(8)]
    together = threading.Barrier(len(names))

    def claim(name: str) -> bool:
        together.wait()
        try:
            StoreOwner(any_store, name).confirm()
        except StoreForeign:
            return False
        return True

    with ThreadPoolExecutor(len(names)) as pool:
        won = [name for name, has in zip(names, pool.map(claim, names), strict=True) if has]
    assert len(won) == 1
    StoreOwner(any_store, won[0]).confirm()


def test_store_of_an_older_release_is_claimed(any_store: ObjectStore) -> None:
    any_store.put(RAW, [b"from a release without marks"])
    StoreOwner(any_store, "ours").confirm()
    refuses(any_store, "another")
    assert any_store.stat(RAW) is not None


def test_store_that_lost_its_mark_is_claimed_again_by_order_only(any_store: ObjectStore) -> None:
    running = StoreOwner(any_store, "ours")
    running.confirm()
    any_store.delete_prefix("installation/owner/")
    later = StoreOwner(any_store, "ours", "another")
    later.claimed = True
    for owner in (running, later):
        with pytest.raises(StoreForeign, match=r"mount the volume.*TAKE_OVER.* to ours$"):
            owner.confirm()
    assert any_store.stat(mark_key(1)) is None
    by_order = StoreOwner(any_store, "ours", "ours")
    by_order.claimed = True
    by_order.confirm()
    running.confirm()


def test_store_without_its_directory_is_unavailable(store: LocalStore) -> None:
    owner = StoreOwner(store, "ours")
    owner.confirm()
    store.root.rename(store.root.with_name("away"))
    with pytest.raises(StoreUnavailable, match="mounted"):
        owner.confirm()
    assert not store.root.exists()


def test_store_is_taken_over_from_the_named_owner_only(
    any_store: ObjectStore,
) -> None:
    StoreOwner(any_store, "gone").confirm()
    refuses(any_store, "new", take_over="somebody")
    new = StoreOwner(any_store, "new", take_over="gone")
    new.confirm()
    new.confirm()
    assert "installation new" in refuses(any_store, "gone"), "the former owner is refused"
    refuses(any_store, "third", take_over="gone")
    StoreOwner(any_store, "new").confirm()


@pytest.mark.parametrize("content", [b"", b"{}", b"not json"])
def test_unreadable_mark_blocks_the_store(store: LocalStore, content: bytes) -> None:
    store.put(mark_key(1), [content])
    assert mark_key(1) in refuses(store, "ours")


def test_nothing_is_erased_in_a_store_of_another_installation(
    any_store: ObjectStore, keyring: LocalKeyring
) -> None:
    custody = Custody(any_store, cast(KeyProvider, keyring))
    theirs = ResourceRef("acme", "datasets", "theirs")
    custody.write(theirs.artifact("raw"), custody.new_resource_key(theirs), [b"x"])
    StoreOwner(any_store, "another").confirm()
    ours = StoreOwner(any_store, "ours")
    with pytest.raises(StoreForeign):
        custody.sweep_orphans(set(), ours, min_age_s=-3600)
    with pytest.raises(StoreForeign):
        custody.erase_tenant("acme", ours)
    assert custody.list_artifacts(theirs) == ["raw"]
    assert keyring.has_tenant_key("acme")


class TakenMeanwhile(LocalStore):
    """A store that another installation takes over during a listing."""

    def list_incomplete(self, prefix: str):  # type: ignore[no-untyped-def]
        StoreOwner(LocalStore(self.root), "another", take_over="ours").confirm()
        return super().list_incomplete(prefix)


def test_sweep_confirms_the_owner_again_before_it_erases(
    store: LocalStore, custody: Custody, dataset: ResourceRef
) -> None:
    custody.write(dataset.artifact("raw"), custody.new_resource_key(dataset), [b"x"])
    watched = TakenMeanwhile(store.root)
    owner = StoreOwner(watched, "ours")
    with pytest.raises(StoreForeign):
        Custody(watched, custody.keys).sweep_orphans(set(), owner, min_age_s=-3600)
    assert custody.list_artifacts(dataset) == ["raw"]


def test_owner_mark_survives_sweeps_and_a_tenant_of_its_name(
    any_store: ObjectStore, keyring: LocalKeyring
) -> None:
    custody, owner = Custody(any_store, cast(KeyProvider, keyring)), StoreOwner(any_store, "ours")
    report = custody.sweep_orphans(set(), owner, min_age_s=-3600)
    assert (report.resources, report.foreign) == ((), 0)
    keyring.create_tenant_key("installation")
    gone = ResourceRef("installation", "datasets", "u1")
    custody.write(gone.artifact("raw"), custody.new_resource_key(gone), [b"x"])
    assert custody.erase_tenant("installation", owner).verified_empty
    refuses(any_store, "another")


class Unwritable(LocalStore):
    """A store in which every conditional put fails."""

    def open_put(self, key: str, *, if_absent: bool = False):  # type: ignore[no-untyped-def]
        raise ObjectExists(key)


def test_store_that_keeps_no_mark_is_unavailable(store: LocalStore) -> None:
    with pytest.raises(StoreUnavailable, match="mark"):
        StoreOwner(Unwritable(store.root), "ours").confirm()

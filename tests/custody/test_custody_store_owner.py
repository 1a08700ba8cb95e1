"""A store has one owner: who claims it first, or takes it over on purpose; nobody else erases what they do not know."""

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
    """Return why a store is not for an installation."""
    with pytest.raises(StoreForeign) as refused:
        StoreOwner(store, installation, take_over).confirm()
    return str(refused.value)


def test_the_first_has_the_store_for_good(any_store: ObjectStore) -> None:
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


def test_of_many_who_claim_an_empty_store_at_once_one_has_it(any_store: ObjectStore) -> None:
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


def test_a_store_of_an_older_release_is_adopted(any_store: ObjectStore) -> None:
    any_store.put(RAW, [b"from before there were marks"])
    StoreOwner(any_store, "ours").confirm()
    refuses(any_store, "another")
    assert any_store.stat(RAW) is not None


def test_a_store_is_taken_over_from_who_is_named_and_from_nobody_else(
    any_store: ObjectStore,
) -> None:
    StoreOwner(any_store, "gone").confirm()
    refuses(any_store, "new", take_over="somebody")
    new = StoreOwner(any_store, "new", take_over="gone")
    new.confirm()
    new.confirm()
    assert "installation new" in refuses(any_store, "gone"), "who comes back finds out"
    refuses(any_store, "third", take_over="gone")
    StoreOwner(any_store, "new").confirm()


@pytest.mark.parametrize("content", [b"", b"{}", b"not json"])
def test_a_mark_that_says_nothing_is_nobodys_leave_to_erase(
    store: LocalStore, content: bytes
) -> None:
    store.put(mark_key(1), [content])
    assert mark_key(1) in refuses(store, "ours")


def test_nothing_is_swept_and_no_tenant_erased_in_the_store_of_another(
    any_store: ObjectStore, keyring: LocalKeyring
) -> None:
    custody, theirs = (
        Custody(any_store, cast(KeyProvider, keyring)),
        ResourceRef("acme", "datasets", "theirs"),
    )
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
    """A store that another installation takes over while it is looked through."""

    def list_incomplete(self, prefix: str):  # type: ignore[no-untyped-def]
        StoreOwner(LocalStore(self.root), "another", take_over="ours").confirm()
        return super().list_incomplete(prefix)


def test_a_sweep_looks_again_before_it_erases(
    store: LocalStore, custody: Custody, dataset: ResourceRef
) -> None:
    custody.write(dataset.artifact("raw"), custody.new_resource_key(dataset), [b"x"])
    watched = TakenMeanwhile(store.root)
    with pytest.raises(StoreForeign):
        Custody(watched, custody.keys).sweep_orphans(
            set(), StoreOwner(watched, "ours"), min_age_s=-3600
        )
    assert custody.list_artifacts(dataset) == ["raw"]


def test_the_mark_is_no_orphan_and_in_nobodys_way(
    any_store: ObjectStore, keyring: LocalKeyring
) -> None:
    custody, owner = Custody(any_store, cast(KeyProvider, keyring)), StoreOwner(any_store, "ours")
    report = custody.sweep_orphans(set(), owner, min_age_s=-3600)
    assert (report.resources, report.foreign) == ((), 0)
    keyring.create_tenant_key("installation")  # a tenant may be called so
    gone = ResourceRef("installation", "datasets", "u1")
    custody.write(gone.artifact("raw"), custody.new_resource_key(gone), [b"x"])
    assert custody.erase_tenant("installation", owner).verified_empty
    refuses(any_store, "another")


class Unwritable(LocalStore):
    """A store in which a conditional put always loses."""

    def open_put(self, key: str, *, if_absent: bool = False):  # type: ignore[no-untyped-def]
        raise ObjectExists(key)


def test_a_store_that_keeps_no_mark_is_not_used(store: LocalStore) -> None:
    with pytest.raises(StoreUnavailable, match="mark"):
        StoreOwner(Unwritable(store.root), "ours").confirm()

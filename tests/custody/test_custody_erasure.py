"""Erasure and the sweep: they remove everything of a resource and nothing else."""

import os
import time
from dataclasses import replace

import pytest

from simulacra_custody.errors import StoreUnavailable
from simulacra_custody.keys.base import KeyProvider
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody, ErasureReport
from simulacra_custody.stores.base import ObjectStore
from simulacra_custody.stores.local import LocalStore
from simulacra_custody.stores.owner import StoreOwner


def age(store: LocalStore, seconds: float) -> None:
    """Make everything in the store older by seconds."""
    for path in store.root.rglob("*"):
        if path.is_file():
            then = time.time() - seconds
            os.utime(path, (then, then))


def test_artifacts_are_listed_sorted(custody: Custody, dataset: ResourceRef, wrapped: str) -> None:
    assert custody.list_artifacts(dataset) == []
    for name in ("schema", "parts/00001", "dataset", "parts/00000"):
        custody.write(dataset.artifact(name), wrapped, [b"x"])
    assert custody.list_artifacts(dataset) == ["dataset", "parts/00000", "parts/00001", "schema"]


def test_erase_removes_everything_of_one_resource_only(
    custody: Custody, store: LocalStore, dataset: ResourceRef, wrapped: str
) -> None:
    sizes = [
        custody.write(dataset.artifact(name), wrapped, [b"x"]).stored_bytes
        for name in ("raw", "parts/00000")
    ]
    neighbors = [
        replace(dataset, uid="5f0c1"),
        replace(dataset, kind="models"),
        replace(dataset, tenant="globex"),
    ]
    for neighbor in neighbors:
        custody.write(neighbor.artifact("raw"), custody.new_resource_key(neighbor), [b"x"])
    with store.open_put(dataset.artifact("model").key) as upload:
        upload.write(b"12345")
        report = custody.erase(dataset)
    assert report == ErasureReport(objects=3, bytes=sum(sizes) + 5, verified_empty=True)
    assert custody.list_artifacts(dataset) == []
    assert {info.key for info in store.list("")} == {
        neighbor.artifact("raw").key for neighbor in neighbors
    }
    assert not (store.root / dataset.prefix).exists()
    assert not (store.root / ".incomplete").exists()


def test_all_versions_except_one_artifact_are_erased_and_verified(
    any_store: ObjectStore, keyring: KeyProvider, dataset: ResourceRef
) -> None:
    custody, neighbor = Custody(any_store, keyring), replace(dataset, uid="5f0c1")
    for resource in (dataset, neighbor):
        wrapped = custody.new_resource_key(resource)
        for name in ("why", "why-not", "raw", "raw", "pieces/00000", "pieces/why"):
            custody.write(resource.artifact(name), wrapped, [b"x"])
    with any_store.open_put(dataset.artifact("raw").key) as upload:
        upload.write(b"12345")
        report = custody.erase_except(dataset, "why")
    assert report.verified_empty
    assert report.objects >= 4
    assert [info.key for info in any_store.list_versions(dataset.prefix)] == [
        dataset.artifact("why").key
    ]
    assert list(any_store.list_incomplete(dataset.prefix)) == []
    kept = ["pieces/00000", "pieces/why", "raw", "why", "why-not"]
    assert custody.list_artifacts(neighbor) == kept
    assert custody.erase_except(dataset, "why") == ErasureReport(0, 0, True)


def test_erasing_nothing_is_verified(custody: Custody, dataset: ResourceRef) -> None:
    assert custody.erase(dataset) == ErasureReport(0, 0, True)


class Forgetful(LocalStore):
    """A store that does not delete what it says (an object lock, a lagging replica)."""

    def delete_prefix(self, prefix: str) -> int:
        return 1


def test_erase_reports_remaining_objects(
    store: LocalStore, keyring: KeyProvider, dataset: ResourceRef
) -> None:
    custody = Custody(Forgetful(store.root), keyring)
    custody.write(dataset.artifact("raw"), custody.new_resource_key(dataset), [b"x"])
    assert not custody.erase(dataset).verified_empty
    custody.write(dataset.artifact("pieces/00000"), custody.new_resource_key(dataset), [b"x"])
    assert not custody.erase_except(dataset, "raw").verified_empty


def test_unlistable_folder_is_not_a_verified_erasure(
    custody: Custody, store: LocalStore, dataset: ResourceRef
) -> None:
    store.put(dataset.prefix.rstrip("/"), [b"an object where the folder should be"])
    with pytest.raises(StoreUnavailable, match="list a folder"):
        custody.erase(dataset)


def test_sweep_counts_foreign_objects_and_leaves_them(custody: Custody, store: LocalStore) -> None:
    for name in ("tenants/Thumbs.db", "tenants/acme/datasets/stray"):
        path = store.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    report = custody.sweep_orphans(set(), StoreOwner(store, "ours"), min_age_s=0)
    assert (report.resources, report.foreign) == ((), 2)
    assert (store.root / "tenants/Thumbs.db").exists()


def test_sweep_erases_only_old_orphans(custody: Custody, store: LocalStore) -> None:
    live, orphan, dead_upload = (
        ResourceRef("acme", "datasets", uid) for uid in ("live", "orphan", "dead")
    )
    for resource in (live, orphan):
        custody.write(resource.artifact("raw"), custody.new_resource_key(resource), [b"x"])
    with store.open_put(dead_upload.artifact("raw").key) as upload:
        upload.write(b"x")
        age(store, 7200)
        young = ResourceRef("acme", "datasets", "young")
        custody.write(young.artifact("raw"), custody.new_resource_key(young), [b"x"])
        report = custody.sweep_orphans({("acme", "datasets", "live")}, StoreOwner(store, "ours"))
    assert report.resources == (dead_upload, orphan)
    assert (report.erased.objects, report.erased.verified_empty) == (2, True)
    assert custody.list_artifacts(live) == custody.list_artifacts(young) == ["raw"]
    assert list(store.list_incomplete("")) == []


def test_one_recent_artifact_protects_its_resource_from_the_sweep(
    custody: Custody, store: LocalStore, dataset: ResourceRef, wrapped: str
) -> None:
    custody.write(dataset.artifact("raw"), wrapped, [b"x"])
    age(store, 7200)
    custody.write(dataset.artifact("schema"), wrapped, [b"x"])
    owner = StoreOwner(store, "ours")
    assert custody.sweep_orphans(set(), owner).resources == ()
    assert custody.sweep_orphans(set(), owner, min_age_s=0).resources == (dataset,)
    assert custody.list_artifacts(dataset) == []

"""Custody of customer bytes: encrypt on the way in, authenticate on the way out, erase and prove it."""

import contextlib
import itertools
import os
import time
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulacra_custody.artifact_writer import ArtifactWriter, StoredArtifact, open_artifact
from simulacra_custody.errors import ArtifactTooLarge
from simulacra_custody.keys.base import DATA_KEY_BYTES, KeyProvider
from simulacra_custody.refs import ArtifactRef, ResourceRef, check_part
from simulacra_custody.stores.base import ObjectInfo, ObjectStore

if TYPE_CHECKING:
    from simulacra_custody.stores.owner import StoreOwner

READ_CHUNK = 256 * 1024
"""A frame: twice as fast to read in as larger chunks, which the allocator asks the kernel for each time."""

UPLOAD_GRACE_S = 3600.0
"""An artifact may be stored this long before its resource exists: the API streams first, then creates the resource."""


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What an erasure removed (objects and unfinished puts, ciphertext bytes), and whether nothing is left."""

    objects: int
    bytes: int
    verified_empty: bool


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep found.

    Attributes:
        resources: resources that were gone already and whose artifacts are now erased.
        erased: the sum of their erasures.
        foreign: objects whose key is no artifact's; they are left for a person to look at.
    """

    resources: tuple[ResourceRef, ...]
    erased: ErasureReport
    foreign: int


class Custody:
    """Artifacts in an object store, each under its resource's data key, which the tenant's key wraps.

    The wrapped data key is kept by the caller (in the custom resource and nowhere else): without it the artifacts
    cannot be read any more, wherever copies of them are.
    """

    def __init__(self, store: ObjectStore, keys: KeyProvider) -> None:
        self.store = store
        self.keys = keys

    def new_resource_key(self, resource: ResourceRef) -> str:
        """A fresh 256-bit data key, wrapped by the tenant's key. Raises `KeyUnavailable`."""
        return self.keys.wrap(
            resource.tenant, os.urandom(DATA_KEY_BYTES), resource.encryption_context
        )

    def rewrap(self, resource: ResourceRef, wrapped_key: str) -> str:
        """The resource's data key under the newest version of the tenant's key; the token itself if it is already.

        After a rotation: rewrap every live resource, then `KeyProvider.retire_old_keys`. Raises `KeyUnavailable`.
        """
        if self.keys.is_current(resource.tenant, wrapped_key):
            return wrapped_key
        context = resource.encryption_context
        return self.keys.wrap(
            resource.tenant, self.keys.unwrap(resource.tenant, wrapped_key, context), context
        )

    def write(self, ref: ArtifactRef, wrapped_key: str, chunks: Iterable[bytes]) -> StoredArtifact:
        """Encrypt and store an artifact from chunks of any size, all or nothing."""
        with self.open_writer(ref, wrapped_key) as writer:
            for chunk in chunks:
                writer.write(chunk)
            return writer.commit()

    @contextlib.contextmanager
    def open_writer(self, ref: ArtifactRef, wrapped_key: str) -> Iterator[ArtifactWriter]:
        """Write an artifact piece by piece; leaving without `ArtifactWriter.commit` stores nothing.

        Raises:
            KeyUnavailable: if the data key cannot be unwrapped.
            StoreUnavailable: if the store fails.
        """
        from simulacra_custody.envelope import Encryptor, data_keyring  # half a second, see there

        encryptor = Encryptor(data_keyring(self._unwrap(ref, wrapped_key)), ref.encryption_context)
        with open_artifact(self.store, ref, encryptor) as writer:
            yield writer

    def read(
        self, ref: ArtifactRef, wrapped_key: str, *, chunk_size: int = READ_CHUNK
    ) -> Iterator[bytes]:
        """Decrypt an artifact in chunks of ``chunk_size`` bytes.

        The first chunk is authenticated before this returns, every other one before it is yielded; truncation shows
        at the end, so a consumer keeps nothing unless the iterator ends without an error.

        Raises:
            ArtifactMissing, KeyUnavailable, StoreUnavailable: at the call.
            ArtifactCorrupt: at the call or while iterating.
        """
        from simulacra_custody.envelope import data_keyring, decrypt

        keyring = data_keyring(self._unwrap(ref, wrapped_key))
        chunks = self.store.open_range(ref.key)
        plaintext = decrypt(ref.key, keyring, ref.encryption_context, chunks, chunk_size)
        first = next(plaintext, None)
        return plaintext if first is None else itertools.chain((first,), plaintext)

    def read_bytes(self, ref: ArtifactRef, wrapped_key: str, *, limit: int) -> bytes:
        """A small artifact as a whole; `ArtifactTooLarge` as soon as it exceeds ``limit`` bytes."""
        parts, size = [], 0
        for chunk in self.read(ref, wrapped_key):
            size += len(chunk)
            if size > limit:
                raise ArtifactTooLarge(f"{ref.key} holds more than {limit} bytes")
            parts.append(chunk)
        return b"".join(parts)

    def exists(self, ref: ArtifactRef) -> bool:
        """Whether the artifact is stored."""
        return self.store.stat(ref.key) is not None

    def list_artifacts(self, resource: ResourceRef) -> list[str]:
        """Names of the resource's artifacts, sorted."""
        return sorted(
            info.key.removeprefix(resource.prefix) for info in self.store.list(resource.prefix)
        )

    def erase(self, resource: ResourceRef) -> ErasureReport:
        """Erase everything under the resource's prefix, unfinished puts first, and look whether anything is left."""
        return self._erase(resource.prefix)

    def erase_except(self, resource: ResourceRef, kept: str) -> ErasureReport:
        """Erase everything of a resource but one artifact, which is in no folder; unfinished puts first, and verify."""
        prefix = resource.prefix

        def found() -> list[ObjectInfo]:
            stored = self.store.list_versions(prefix)
            return [
                *self.store.list_incomplete(prefix),
                *(one for one in stored if one.key != prefix + kept),
            ]

        before = found()
        self.store.purge_incomplete(prefix)
        for name, folder in {one.key.removeprefix(prefix).partition("/")[:2] for one in before} - {
            (kept, "")
        }:
            if folder:
                self.store.delete_prefix(f"{prefix}{name}/")
            else:
                self.store.delete(prefix + name)
        return ErasureReport(len(before), sum(one.size for one in before), not found())

    def erase_tenant(self, tenant: str, owner: "StoreOwner") -> ErasureReport:
        """Offboard a tenant: destroy its key, so that all of it is unreadable at once, then erase what is stored.

        Raises `StoreForeign` before anything is done: another installation may have a tenant of that name.
        """
        check_part(tenant, "tenant")
        owner.confirm()
        self.keys.destroy_tenant_key(tenant)
        return self._erase(f"tenants/{tenant}/")

    def sweep_orphans(
        self,
        live: AbstractSet[tuple[str, str, str]],
        owner: "StoreOwner",
        *,
        tenants: AbstractSet[str] | None = None,
        min_age_s: float = UPLOAD_GRACE_S,
    ) -> SweepReport:
        """Erase the artifacts of resources that are gone, in a store that is this installation's own.

        Args:
            live: (tenant, kind, uid) of every resource, read less than ``min_age_s`` ago.
            owner: the claim to the store; it is confirmed before the look, and again before anything is erased.
            tenants: whose artifacts are looked at, None for everybody's.
            min_age_s: resources with anything written in the last so many seconds are left alone.

        Raises `StoreForeign` where nothing that is not known may be erased.
        """
        owner.confirm()
        newest: dict[ResourceRef, float] = {}
        foreign = 0
        for info in itertools.chain(
            self.store.list_versions("tenants/"), self.store.list_incomplete("tenants/")
        ):
            try:
                resource = ArtifactRef.from_key(info.key).resource
            except ValueError:
                foreign += 1
                continue
            newest[resource] = max(newest.get(resource, 0.0), info.modified)
        limit = time.time() - min_age_s
        orphans = tuple(
            resource
            for resource, modified in sorted(newest.items())
            if (resource.tenant, resource.kind, resource.uid) not in live
            and modified <= limit
            and (tenants is None or resource.tenant in tenants)
        )
        if orphans:  # the look may have taken long
            owner.confirm()
        reports = [self.erase(resource) for resource in orphans]
        total = ErasureReport(
            sum(report.objects for report in reports),
            sum(report.bytes for report in reports),
            all(report.verified_empty for report in reports),
        )
        return SweepReport(orphans, total, foreign)

    def _unwrap(self, ref: ArtifactRef, wrapped_key: str) -> bytes:
        return self.keys.unwrap(ref.tenant, wrapped_key, ref.resource.encryption_context)

    def _erase(self, prefix: str) -> ErasureReport:
        found = [*self.store.list_incomplete(prefix), *self.store.list_versions(prefix)]
        objects = self.store.purge_incomplete(prefix) + self.store.delete_prefix(prefix)
        left = [*self.store.list_incomplete(prefix), *self.store.list_versions(prefix)]
        return ErasureReport(objects, sum(info.size for info in found), not left)

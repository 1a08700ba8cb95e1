"""Custody service: encrypt and store artifacts, read them back, erase them and verify that."""

import contextlib
import itertools
import os
import time
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from simulacra_custody.artifact_writer import ArtifactWriter, StoredArtifact, open_artifact
from simulacra_custody.errors import ArtifactTooLarge
from simulacra_custody.keys.base import DATA_KEY_BYTES, KeyProvider
from simulacra_custody.refs import ArtifactRef, ResourceRef, check_part
from simulacra_custody.stores.base import ObjectInfo, ObjectStore
from simulacra_custody.stores.owner import StoreOwner

HELD_BYTES = 4 << 20
"""Plaintext of a verified read that stays in memory between the check and the answer."""

UPLOAD_GRACE_S = 3600.0
"""The API streams an upload before it creates its resource; the sweep waits this long for it."""


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """Erased objects and unfinished puts, their ciphertext bytes, and whether none is left."""

    objects: int
    bytes: int
    verified_empty: bool


@dataclass(frozen=True, slots=True)
class SweepReport:
    """Result of a sweep.

    Attributes:
        resources: deleted resources whose artifacts the sweep erased.
        erased: the sum of their erasures.
        foreign: objects under no artifact's key, left for a person to examine.
    """

    resources: tuple[ResourceRef, ...]
    erased: ErasureReport
    foreign: int


class Custody:
    """Artifacts in an object store, each under its resource's data key.

    The tenant's key wraps the data key. The caller keeps the wrapped key in the custom resource and
    nowhere else. Without it nobody can read the artifacts or any copy of them.
    """

    def __init__(self, store: ObjectStore, keys: KeyProvider) -> None:
        self.store = store
        self.keys = keys

    def new_resource_key(self, resource: ResourceRef) -> str:
        """Return a new 256-bit data key, wrapped by the tenant's key. Raises `KeyUnavailable`."""
        data_key = os.urandom(DATA_KEY_BYTES)
        return self.keys.wrap(resource.tenant, data_key, resource.encryption_context)

    def rewrap(self, resource: ResourceRef, wrapped_key: str) -> str:
        """Return the data key under the newest version of the tenant's key, unchanged if it is.

        After a rotation, rewrap every live resource, then call `KeyProvider.retire_old_keys`.
        Raises `KeyUnavailable`.
        """
        tenant, context = resource.tenant, resource.encryption_context
        if self.keys.is_current(tenant, wrapped_key):
            return wrapped_key
        return self.keys.wrap(tenant, self.keys.unwrap(tenant, wrapped_key, context), context)

    def write(self, ref: ArtifactRef, wrapped_key: str, chunks: Iterable[bytes]) -> StoredArtifact:
        """Encrypt and store an artifact from chunks of any size, all or nothing."""
        with self.open_writer(ref, wrapped_key) as writer:
            for chunk in chunks:
                writer.write(chunk)
            return writer.commit()

    @contextlib.contextmanager
    def open_writer(self, ref: ArtifactRef, wrapped_key: str) -> Iterator[ArtifactWriter]:
        """Open a writer; without `ArtifactWriter.commit` nothing is stored.

        Raises:
            KeyUnavailable: the data key cannot be unwrapped.
            StoreUnavailable: the store failed.
        """
        # Importing the SDK takes half a second.
        from simulacra_custody.envelope import Encryptor, data_keyring

        encryptor = Encryptor(data_keyring(self._unwrap(ref, wrapped_key)), ref.encryption_context)
        with open_artifact(self.store, ref, encryptor) as writer:
            yield writer

    def read(self, ref: ArtifactRef, wrapped_key: str) -> Iterator[bytes]:
        """Decrypt an artifact in chunks of a frame.

        The first chunk is authenticated before this returns, each other one before it is yielded.
        Truncation shows only at the end: keep nothing unless the iterator ends without an error.

        Raises:
            ArtifactMissing, KeyUnavailable, StoreUnavailable: at the call.
            ArtifactCorrupt: at the call or while iterating.
        """
        from simulacra_custody.envelope import data_keyring
        from simulacra_custody.verified import open_message

        keyring = data_keyring(self._unwrap(ref, wrapped_key))
        message, source = open_message(self.store, ref, keyring)
        plaintext = message.whole(source)
        first = next(plaintext, None)
        return plaintext if first is None else itertools.chain((first,), plaintext)

    def read_verified(
        self,
        ref: ArtifactRef,
        wrapped_key: str,
        stated: StoredArtifact,
        *,
        start: int = 0,
        end: int | None = None,
        held_bytes: int = HELD_BYTES,
    ) -> Iterator[bytes]:
        """Authenticate a byte range of the stated artifact, then return an iterator over it.

        Up to ``held_bytes`` stay in memory, more is read a second time; see `verified`.

        Raises:
            KeyUnavailable: at the call.
            ArtifactMissing, ArtifactCorrupt, StoreUnavailable: at the call; while iterating, if the
                object changed meanwhile or the store failed.
        """
        from simulacra_custody.envelope import data_keyring
        from simulacra_custody.verified import verified

        keyring = data_keyring(self._unwrap(ref, wrapped_key))
        end = stated.bytes if end is None else end
        return verified(self.store, ref, keyring, stated, start, end, held_bytes)

    def read_bytes(self, ref: ArtifactRef, wrapped_key: str, *, limit: int) -> bytes:
        """Return a small artifact. Raises `ArtifactTooLarge` above ``limit`` bytes."""
        content = bytearray()
        for chunk in self.read(ref, wrapped_key):
            content += chunk
            if len(content) > limit:
                raise ArtifactTooLarge(f"{ref.key} holds more than {limit} bytes")
        return bytes(content)

    def exists(self, ref: ArtifactRef) -> bool:
        """Return whether the artifact is stored."""
        return self.store.stat(ref.key) is not None

    def list_artifacts(self, resource: ResourceRef) -> list[str]:
        """Return the names of the resource's artifacts, sorted."""
        prefix = resource.prefix
        return sorted(info.key.removeprefix(prefix) for info in self.store.list(prefix))

    def erase(self, resource: ResourceRef) -> ErasureReport:
        """Erase everything under the resource's prefix, unfinished puts first, and verify it."""
        return self._erase(resource.prefix)

    def erase_except(self, resource: ResourceRef, kept: str) -> ErasureReport:
        """Erase everything of a resource except one artifact at the top level, and verify it."""
        prefix = resource.prefix

        def found() -> list[ObjectInfo]:
            return [
                *self.store.list_incomplete(prefix),
                *(one for one in self.store.list_versions(prefix) if one.key != prefix + kept),
            ]

        before = found()
        self.store.purge_incomplete(prefix)
        paths = {info.key.removeprefix(prefix).partition("/")[:2] for info in before}
        for name, slash in paths - {(kept, "")}:
            if slash:
                self.store.delete_prefix(f"{prefix}{name}/")
            else:
                self.store.delete(prefix + name)
        return ErasureReport(len(before), sum(info.size for info in before), not found())

    def erase_artifact(self, ref: ArtifactRef) -> ErasureReport:
        """Erase one artifact of a resource with all its versions, and verify it."""

        def found() -> list[ObjectInfo]:
            versions = self.store.list_versions(ref.resource.prefix)
            return [one for one in versions if one.key == ref.key]

        before = found()
        self.store.delete(ref.key)
        return ErasureReport(len(before), sum(info.size for info in before), not found())

    def erase_tenant(self, tenant: str, owner: StoreOwner) -> ErasureReport:
        """Destroy a tenant's key, which makes all its data unreadable, then erase what is stored.

        Raises `StoreForeign` first: another installation may have a tenant of the same name.
        """
        check_part(tenant, "tenant")
        owner.confirm()
        self.keys.destroy_tenant_key(tenant)
        return self._erase(f"tenants/{tenant}/")

    def sweep_orphans(
        self,
        live: AbstractSet[tuple[str, str, str]],
        owner: StoreOwner,
        *,
        tenants: AbstractSet[str] | None = None,
        min_age_s: float = UPLOAD_GRACE_S,
    ) -> SweepReport:
        """Erase the artifacts of resources that no longer exist, in this installation's own store.

        Args:
            live: (tenant, kind, uid) of every resource, listed less than ``min_age_s`` ago.
            owner: the claim to the store, confirmed before the listing and before the erasure.
            tenants: limit the sweep to these tenants; None for all.
            min_age_s: skip resources with an object younger than this.

        Raises:
            StoreForeign: the store belongs to another installation.
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
        # The listing may have taken long.
        if orphans:
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
        def found() -> list[ObjectInfo]:
            return [*self.store.list_incomplete(prefix), *self.store.list_versions(prefix)]

        before = found()
        objects = self.store.purge_incomplete(prefix) + self.store.delete_prefix(prefix)
        return ErasureReport(objects, sum(info.size for info in before), not found())

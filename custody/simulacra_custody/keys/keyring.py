"""Tenant keys in one JSON file, for one machine.

The file has mode 0600 and is refused if group or others may access it. It is only replaced as a
whole, under a lock on ``<file>.lock``, so that concurrent processes lose no key. Data keys are
wrapped with AES-256-GCM (NIST SP 800-38D), a random 96-bit nonce, and the canonical JSON of the
context as associated data. A tenant key wraps one data key a resource, far fewer than the 2^32
messages that random nonces allow. Anybody with a copy of the file can read all data: keep it as
secret as the data.
"""

import base64
import contextlib
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simulacra_custody.errors import KeyUnavailable
from simulacra_custody.keys.base import KeyProvider, no_key, wrong_context, wrong_key
from simulacra_custody.refs import check_part
from simulacra_custody.stores.local import sync_folder

_KEY_BYTES = 32
_NONCE_BYTES = 12
_PREFIX = "local.v1"

Versions = list[tuple[str, bytes]]
"""A tenant's key: (key id, 256-bit key), the newest version first."""

Keys = dict[str, Versions]


class LocalKeyring(KeyProvider):
    """`KeyProvider` over a keyring file, made with the first key."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path).absolute()

    def create_tenant_key(self, tenant: str) -> None:
        """Create the tenant's key, unless it has one."""
        check_part(tenant, "tenant")
        with self._locked() as keys:
            if tenant not in keys:
                keys[tenant] = [_fresh()]
                self._replace(keys)

    def destroy_tenant_key(self, tenant: str) -> None:
        """Remove the tenant's key from the file."""
        with self._locked() as keys:
            if keys.pop(tenant, None) is not None:
                self._replace(keys)

    def has_tenant_key(self, tenant: str) -> bool:
        """Return whether the file has a key of the tenant."""
        return tenant in self._load()

    def wrap(self, tenant: str, plaintext_key: bytes, context: dict[str, str]) -> str:
        """Encrypt a data key: ``local.v1.<key id>.<base64url of nonce, ciphertext and tag>``."""
        key_id, key = self._versions(tenant)[0]
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + AESGCM(key).encrypt(nonce, plaintext_key, _associated(tenant, context))
        return f"{_PREFIX}.{key_id}.{_encode(sealed)}"

    def unwrap(self, tenant: str, wrapped: str, context: dict[str, str]) -> bytes:
        """Decrypt a data key."""
        prefix, _, body = wrapped.rpartition(".")
        keys = {f"{_PREFIX}.{key_id}": key for key_id, key in self._versions(tenant)}
        if prefix not in keys:
            raise wrong_key(tenant)
        try:
            sealed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            if _encode(sealed) != body:
                raise ValueError("Token is not canonical base64")
            return AESGCM(keys[prefix]).decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _associated(tenant, context)
            )
        except (InvalidTag, ValueError):
            raise wrong_context(tenant) from None

    def rotate_tenant_key(self, tenant: str) -> None:
        """Put a new version before the others."""
        with self._locked() as keys:
            if tenant not in keys:
                raise no_key(tenant)
            keys[tenant] = [_fresh(), *keys[tenant]]
            self._replace(keys)

    def is_current(self, tenant: str, wrapped: str) -> bool:
        """Return whether the token names the newest version."""
        return wrapped.startswith(f"{_PREFIX}.{self._versions(tenant)[0][0]}.")

    def retire_old_keys(self, tenant: str) -> None:
        """Remove every old version from the file."""
        with self._locked() as keys:
            if tenant not in keys:
                raise no_key(tenant)
            if len(keys[tenant]) > 1:
                keys[tenant] = keys[tenant][:1]
                self._replace(keys)

    def _versions(self, tenant: str) -> Versions:
        try:
            return self._load()[tenant]
        except KeyError:
            raise no_key(tenant) from None

    def _load(self) -> Keys:
        try:
            with self.path.open("rb") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise KeyUnavailable(
                        "group or others may access the keyring file; run chmod 600 on it"
                    )
                document = json.load(file)
            return {
                tenant: [_entry(one) for one in (entry, *entry.get("old", []))]
                for tenant, entry in document.items()
            }
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise KeyUnavailable(f"the keyring file cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError):
            raise KeyUnavailable("the keyring file is damaged; restore it from a backup") from None

    def _replace(self, keys: Keys) -> None:
        document: dict[str, dict[str, object]] = {}
        for tenant, (newest, *old) in keys.items():
            document[tenant] = {**_document(newest)}
            if old:
                document[tenant]["old"] = [_document(one) for one in old]
        # One name: the next writer overwrites what a killed one left, with any destroyed key in it.
        temporary = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
        # Otherwise a power failure could restore a destroyed key or lose a new one.
        sync_folder(self.path.parent)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[Keys]:
        """Yield the keys while no other process may replace the file."""
        path = self.path.with_name(self.path.name + ".lock")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield self._load()
            finally:
                os.close(lock)
        except OSError as error:
            reason = error.strerror
            raise KeyUnavailable(f"the keyring file cannot be replaced: {reason}") from error


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _associated(tenant: str, context: dict[str, str]) -> bytes:
    return json.dumps([tenant, context], sort_keys=True, separators=(",", ":")).encode()


def _fresh() -> tuple[str, bytes]:
    return secrets.token_hex(8), AESGCM.generate_key(8 * _KEY_BYTES)


def _document(version: tuple[str, bytes]) -> dict[str, str]:
    return {"id": version[0], "key": base64.b64encode(version[1]).decode()}


def _entry(entry: dict[str, str]) -> tuple[str, bytes]:
    key = base64.b64decode(entry["key"], validate=True)
    if len(key) != _KEY_BYTES:
        raise ValueError("a tenant key has 32 bytes")
    return entry["id"], key

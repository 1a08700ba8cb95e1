"""Tenant keys in one JSON file, for one machine.

The file (mode 0600, refused when group or others may touch it) is only ever replaced whole, under a lock on
``<file>.lock``, so processes that create and destroy keys at the same time lose nothing. Data keys are wrapped with
AES-256-GCM (NIST SP 800-38D), a random 96-bit nonce, and the canonical JSON of the context as associated data; a
tenant key wraps one data key a resource, far below the 2^32 messages that random nonces allow. Whoever copies the
file can read everything: it is as secret as the data.
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
from simulacra_custody.keys.base import check_tenant_key
from simulacra_custody.refs import check_part
from simulacra_custody.stores.local import sync_folder

_KEY_BYTES = 32
_NONCE_BYTES = 12
_PREFIX = "local.v1"

Versions = list[tuple[str, bytes]]
"""A tenant's key: (key id, 256-bit key), the newest version first."""

Keys = dict[str, Versions]


class LocalKeyring:
    """`KeyProvider` over a keyring file; the file is made with the first key."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path).absolute()

    def create_tenant_key(self, tenant: str) -> None:
        """Make the tenant's key unless there is one."""
        check_part(tenant, "tenant")
        with self._locked() as keys:
            if tenant not in keys:
                keys[tenant] = [_fresh()]
                self._replace(keys)

    def destroy_tenant_key(self, tenant: str) -> None:
        """Take the tenant's key out of the file."""
        with self._locked() as keys:
            if keys.pop(tenant, None) is not None:
                self._replace(keys)

    def has_tenant_key(self, tenant: str) -> bool:
        """Whether the file holds a key of the tenant."""
        return tenant in self._load()

    def wrap(self, tenant: str, plaintext_key: bytes, context: dict[str, str]) -> str:
        """Encrypt a data key: ``local.v1.<key id>.<base64url of nonce, ciphertext and tag>``."""
        key_id, key = self._versions(tenant)[0]
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + AESGCM(key).encrypt(nonce, plaintext_key, _associated(tenant, context))
        return f"{_PREFIX}.{key_id}.{_encode(sealed)}"

    def unwrap(self, tenant: str, wrapped: str, context: dict[str, str]) -> bytes:
        """Decrypt a data key; `KeyUnavailable` for a token of another key, tenant or context."""
        prefix, _, body = wrapped.rpartition(".")
        keys = {f"{_PREFIX}.{key_id}": key for key_id, key in self._versions(tenant)}
        if prefix not in keys:
            raise KeyUnavailable(
                f"the wrapped key was not made with the present key of tenant {tenant}"
            )
        try:
            sealed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            if _encode(sealed) != body:
                raise ValueError("a token has one spelling")
            return AESGCM(keys[prefix]).decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _associated(tenant, context)
            )
        except (InvalidTag, ValueError):
            raise KeyUnavailable(
                f"the wrapped key does not open for tenant {tenant} in this context"
            ) from None

    def rotate_tenant_key(self, tenant: str) -> None:
        """Put a new version before the others."""
        with self._locked() as keys:
            if tenant not in keys:
                raise KeyUnavailable(f"tenant {tenant} has no key")
            keys[tenant] = [_fresh(), *keys[tenant]]
            self._replace(keys)

    def is_current(self, tenant: str, wrapped: str) -> bool:
        """Whether the token names the newest version."""
        return wrapped.startswith(f"{_PREFIX}.{self._versions(tenant)[0][0]}.")

    def retire_old_keys(self, tenant: str) -> None:
        """Take every version but the newest out of the file."""
        with self._locked() as keys:
            if len(keys.get(tenant, [])) > 1:
                keys[tenant] = keys[tenant][:1]
                self._replace(keys)

    def check(self, tenant: str) -> None:
        """Run the key check; see `keys.check_tenant_key`."""
        check_tenant_key(self, tenant)

    def _versions(self, tenant: str) -> Versions:
        try:
            return self._load()[tenant]
        except KeyError:
            raise KeyUnavailable(f"tenant {tenant} has no key") from None

    def _load(self) -> Keys:
        try:
            with self.path.open("rb") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise KeyUnavailable(
                        "the keyring file is open to group or others; run chmod 600 on it"
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
        document = {
            tenant: {
                **_document(newest),
                **({"old": [_document(one) for one in old]} if old else {}),
            }
            for tenant, (newest, *old) in keys.items()
        }
        # One name, so that what a killed writer leaves here is overwritten and holds no destroyed key for long.
        temporary = self.path.with_name(self.path.name + ".new")
        with os.fdopen(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
        ) as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
        sync_folder(
            self.path.parent
        )  # else a destroyed key could be back after a power failure, and a new one gone

    @contextlib.contextmanager
    def _locked(self) -> Iterator[Keys]:
        """The keys, while no other process may replace the file."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(
                self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600
            )
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield self._load()
            finally:
                os.close(lock)
        except OSError as error:
            raise KeyUnavailable(
                f"the keyring file cannot be replaced: {error.strerror}"
            ) from error


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

"""Tenant keys in the Transit engine of Vault or OpenBao, one derived AES-256-GCM key a tenant.

The key never leaves the engine. It is derived, so that the context is part of the encrypting key:
with another key Transit silently ignores the context, so such a key is refused. If the caller may
create keys, Transit creates a missing one on encrypt, so `VaultTransit.wrap` reads it first; give
the service only ``update`` on encrypt.
"""

import base64
import json
from typing import Any

from hvac.exceptions import InvalidPath, InvalidRequest

from simulacra_custody.errors import KeyUnavailable
from simulacra_custody.keys.base import KeyProvider, no_key, wrong_context, wrong_key
from simulacra_custody.keys.vault_login import VaultLogin
from simulacra_custody.refs import check_part

_PREFIX = "vault.v1."
_KEY_PREFIX = "simulacra-"


class VaultTransit(KeyProvider):
    """`KeyProvider` over a Transit engine; the tenant's key is ``simulacra-<tenant>``."""

    def __init__(self, login: VaultLogin) -> None:
        self._login = login

    def create_tenant_key(self, tenant: str) -> None:
        """Create the tenant's key; Transit keeps an existing one."""
        kind = {"key_type": "aes256-gcm96", "derived": True, "exportable": False}
        self._call("create a key", "create_key", tenant, **kind)

    def destroy_tenant_key(self, tenant: str) -> None:
        """Delete every version of the tenant's key."""
        if self._read(tenant) is None:
            return
        allow = {"deletion_allowed": True}
        self._call("destroy a key", "update_key_configuration", tenant, **allow)
        self._call("destroy a key", "delete_key", tenant)

    def has_tenant_key(self, tenant: str) -> bool:
        """Return whether the engine has a key of the tenant."""
        return self._read(tenant) is not None

    def wrap(self, tenant: str, plaintext_key: bytes, context: dict[str, str]) -> str:
        """Encrypt a data key: ``vault.v1.`` and Transit's ``vault:v<version>:<base64>``."""
        self._key(tenant)
        given = {"plaintext": _encode(plaintext_key), "context": _derivation(tenant, context)}
        answer = self._call("wrap a key", "encrypt_data", tenant, **given)
        return _PREFIX + str(answer["data"]["ciphertext"])

    def unwrap(self, tenant: str, wrapped: str, context: dict[str, str]) -> bytes:
        """Decrypt a data key."""
        if not wrapped.startswith(_PREFIX):
            raise wrong_key(tenant)
        ciphertext = wrapped.removeprefix(_PREFIX)
        given = {"ciphertext": ciphertext, "context": _derivation(tenant, context)}
        try:
            answer = self._call("unwrap a key", "decrypt_data", tenant, **given)
        except KeyUnavailable as error:
            if isinstance(error.__cause__, InvalidRequest | InvalidPath):
                self._key(tenant)
                raise wrong_context(tenant) from None
            raise
        return base64.b64decode(answer["data"]["plaintext"])

    def rotate_tenant_key(self, tenant: str) -> None:
        """Add a version to the key."""
        self._key(tenant)
        self._call("rotate a key", "rotate_key", tenant)

    def is_current(self, tenant: str, wrapped: str) -> bool:
        """Return whether the token names the key's newest version."""
        return wrapped.startswith(f"{_PREFIX}vault:v{self._key(tenant)['latest_version']}:")

    def retire_old_keys(self, tenant: str) -> None:
        """Disallow every old version, then remove it from the engine."""
        latest = self._key(tenant)["latest_version"]
        # One by one: hvac refuses to send both with the same number, which the engine accepts.
        for setting in ("min_encryption_version", "min_decryption_version"):
            self._call("retire old keys", "update_key_configuration", tenant, **{setting: latest})
        self._call("retire old keys", "trim_key", tenant, min_version=latest)

    def _key(self, tenant: str) -> dict[str, Any]:
        """Return the description of the tenant's key, which must use a context."""
        key = self._read(tenant)
        if key is None:
            raise no_key(tenant)
        if not key["derived"]:
            raise KeyUnavailable(
                f"the Transit key of tenant {tenant} is not derived, so it would ignore the "
                "context; delete it and let Simulacra create it"
            )
        return key

    def _read(self, tenant: str) -> dict[str, Any] | None:
        try:
            return dict(self._call("read a key", "read_key", tenant)["data"])
        except KeyUnavailable as error:
            if isinstance(error.__cause__, InvalidPath):
                return None
            raise

    def _call(self, action: str, method: str, tenant: str, **given: Any) -> Any:
        """Call a method of hvac's Transit client for a tenant's key."""
        check_part(tenant, "tenant")
        where = {"name": _KEY_PREFIX + tenant, "mount_point": self._login.mount}
        return self._login.call(
            action, lambda client: getattr(client.secrets.transit, method)(**where, **given)
        )


def _derivation(tenant: str, context: dict[str, str]) -> str:
    return _encode(json.dumps([tenant, context], sort_keys=True, separators=(",", ":")).encode())


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()

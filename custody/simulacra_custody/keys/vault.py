"""Tenant keys in the Transit engine of Vault or OpenBao, one derived AES-256-GCM key a tenant.

The key never leaves the engine. It is derived, so that the context is part of the key that encrypts: on a key that is
not, Transit silently ignores the context, so such a key is refused. Transit makes a missing key when it is asked to
encrypt by a caller who may create, so `VaultTransit.wrap` looks first; give the service ``update`` alone on encrypt.
"""

import base64
import json
from typing import Any

from hvac.exceptions import InvalidPath, InvalidRequest

from simulacra_custody.errors import KeyUnavailable
from simulacra_custody.keys.base import check_tenant_key
from simulacra_custody.keys.vault_login import VaultLogin
from simulacra_custody.refs import check_part

_PREFIX = "vault.v1."
_KEY_PREFIX = "simulacra-"


class VaultTransit:
    """`KeyProvider` over a Transit engine; the tenant's key is ``simulacra-<tenant>``."""

    def __init__(self, login: VaultLogin) -> None:
        self._login = login

    def create_tenant_key(self, tenant: str) -> None:
        """Make the tenant's key; Transit leaves one that exists alone."""
        self._transit(
            "create a key",
            lambda transit, where: transit.create_key(
                name=_name(tenant), key_type="aes256-gcm96", derived=True, exportable=False, **where
            ),
        )

    def destroy_tenant_key(self, tenant: str) -> None:
        """Delete every version of the tenant's key."""
        if self._read(tenant) is None:
            return
        self._transit(
            "destroy a key", lambda transit, where: _destroy(transit, _name(tenant), where)
        )

    def has_tenant_key(self, tenant: str) -> bool:
        """Whether the engine has a key of the tenant."""
        return self._read(tenant) is not None

    def wrap(self, tenant: str, plaintext_key: bytes, context: dict[str, str]) -> str:
        """Encrypt a data key: ``vault.v1.`` and Transit's own ``vault:v<version>:<base64>``."""
        self._key(tenant)
        answer = self._transit(
            "wrap a key",
            lambda transit, where: transit.encrypt_data(
                name=_name(tenant),
                plaintext=_encode(plaintext_key),
                context=_derivation(tenant, context),
                **where,
            ),
        )
        return _PREFIX + str(answer["data"]["ciphertext"])

    def unwrap(self, tenant: str, wrapped: str, context: dict[str, str]) -> bytes:
        """Decrypt a data key; `KeyUnavailable` for a token of another key, tenant or context."""
        if not wrapped.startswith(_PREFIX):
            raise KeyUnavailable(
                f"the wrapped key was not made with the present key of tenant {tenant}"
            )
        try:
            answer = self._transit(
                "unwrap a key",
                lambda transit, where: transit.decrypt_data(
                    name=_name(tenant),
                    ciphertext=wrapped.removeprefix(_PREFIX),
                    context=_derivation(tenant, context),
                    **where,
                ),
            )
        except KeyUnavailable as error:
            if isinstance(error.__cause__, InvalidRequest | InvalidPath):
                self._key(tenant)
                raise KeyUnavailable(
                    f"the wrapped key does not open for tenant {tenant} in this context"
                ) from None
            raise
        return base64.b64decode(answer["data"]["plaintext"])

    def rotate_tenant_key(self, tenant: str) -> None:
        """Add a version to the key."""
        self._key(tenant)
        self._transit(
            "rotate a key", lambda transit, where: transit.rotate_key(name=_name(tenant), **where)
        )

    def is_current(self, tenant: str, wrapped: str) -> bool:
        """Whether the token names the key's newest version."""
        return wrapped.startswith(f"{_PREFIX}vault:v{self._key(tenant)['latest_version']}:")

    def retire_old_keys(self, tenant: str) -> None:
        """Forbid every version but the newest, then take them out of the engine."""
        latest = self._key(tenant)["latest_version"]
        self._transit(
            "retire old keys", lambda transit, where: _retire(transit, _name(tenant), latest, where)
        )

    def check(self, tenant: str) -> None:
        """Run the key check; see `keys.check_tenant_key`."""
        check_tenant_key(self, tenant)

    def _key(self, tenant: str) -> dict[str, Any]:
        """The key's description, if there is one that takes a context."""
        key = self._read(tenant)
        if key is None:
            raise KeyUnavailable(f"tenant {tenant} has no key")
        if not key["derived"]:
            raise KeyUnavailable(
                f"the Transit key of tenant {tenant} is not derived, so it would ignore the context"
            )
        return key

    def _read(self, tenant: str) -> dict[str, Any] | None:
        try:
            answer = self._transit(
                "read a key", lambda transit, where: transit.read_key(name=_name(tenant), **where)
            )
        except KeyUnavailable as error:
            if isinstance(error.__cause__, InvalidPath):
                return None
            raise
        return dict(answer["data"])

    def _transit(self, action: str, request: Any) -> Any:
        where = {"mount_point": self._login.mount}
        return self._login.call(action, lambda client: request(client.secrets.transit, where))


def _destroy(transit: Any, name: str, where: dict[str, str]) -> None:
    transit.update_key_configuration(name=name, deletion_allowed=True, **where)
    transit.delete_key(name=name, **where)


def _retire(transit: Any, name: str, latest: int, where: dict[str, str]) -> None:
    # One by one: hvac refuses to send both with the same number, which the engine takes.
    transit.update_key_configuration(name=name, min_encryption_version=latest, **where)
    transit.update_key_configuration(name=name, min_decryption_version=latest, **where)
    transit.trim_key(name=name, min_version=latest, **where)


def _name(tenant: str) -> str:
    check_part(tenant, "tenant")
    return _KEY_PREFIX + tenant


def _derivation(tenant: str, context: dict[str, str]) -> str:
    return _encode(json.dumps([tenant, context], sort_keys=True, separators=(",", ":")).encode())


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()

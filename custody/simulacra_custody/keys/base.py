"""Key provider protocol: tenants' keys, which wrap the resources' data keys."""

import os
from typing import Protocol

from simulacra_custody.errors import CustodyError, KeyCheckError, KeyUnavailable

DATA_KEY_BYTES = 32
"""A resource's data key has 256 bits."""


class KeyProvider(Protocol):
    """A keyring of tenant keys. Every method may raise `KeyUnavailable`."""

    def create_tenant_key(self, tenant: str) -> None:
        """Create the tenant's key, unless it has one."""

    def destroy_tenant_key(self, tenant: str) -> None:
        """Destroy the tenant's key, if any, and with it every data key that it wraps."""

    def has_tenant_key(self, tenant: str) -> bool:
        """Return whether the tenant has a key."""

    def wrap(self, tenant: str, plaintext_key: bytes, context: dict[str, str]) -> str:
        """Encrypt a data key under the tenant's key and the context; return a printable token."""

    def unwrap(self, tenant: str, wrapped: str, context: dict[str, str]) -> bytes:
        """Decrypt a token of `wrap`, given the tenant and context that it was made with."""

    def rotate_tenant_key(self, tenant: str) -> None:
        """Add a new version of the tenant's key, which wraps from now on; old ones still unwrap."""

    def is_current(self, tenant: str, wrapped: str) -> bool:
        """Return whether a token is of the newest key version; if not, wrap it again."""

    def retire_old_keys(self, tenant: str) -> None:
        """Destroy every old version, and with it the tokens that were not wrapped again."""

    def check(self, tenant: str) -> None:
        """Check that the key wraps and unwraps, and is refused in another context.

        Raises:
            KeyCheckError: with ``step`` one of ``key``, ``generate``, ``decrypt``, ``refuse``.
        """
        context = {"tenant": tenant, "purpose": "key-check"}
        plaintext = os.urandom(DATA_KEY_BYTES)
        step = "key"
        try:
            if not self.has_tenant_key(tenant):
                raise no_key(tenant)
            step = "generate"
            wrapped = self.wrap(tenant, plaintext, context)
            step = "decrypt"
            unwrapped = self.unwrap(tenant, wrapped, context)
        except CustodyError as error:
            raise KeyCheckError(step, str(error)) from error
        if unwrapped != plaintext:
            raise KeyCheckError(step, "unwrapping returned another key")
        try:
            self.unwrap(tenant, wrapped, {**context, "purpose": "another"})
        except KeyUnavailable:
            return
        raise KeyCheckError("refuse", "the key was unwrapped in another context")


def no_key(tenant: str) -> KeyUnavailable:
    """Return the error of a tenant without a key."""
    return KeyUnavailable(f"tenant {tenant} has no key")


def wrong_key(tenant: str) -> KeyUnavailable:
    """Return the error of a token that no present key of the tenant made."""
    return KeyUnavailable(f"the wrapped key was not made with the present key of tenant {tenant}")


def wrong_context(tenant: str) -> KeyUnavailable:
    """Return the error of a token that is damaged or of another context."""
    return KeyUnavailable(f"the wrapped key does not open for tenant {tenant} in this context")

"""Key providers: who holds the tenants' keys and wraps the resources' data keys with them."""

import os
from typing import Protocol

from simulacra_custody.errors import CustodyError, KeyCheckError, KeyUnavailable

DATA_KEY_BYTES = 32
"""A resource's data key is 256 bits."""


class KeyProvider(Protocol):
    """A keyring of tenant keys. Every method may raise `KeyUnavailable`."""

    def create_tenant_key(self, tenant: str) -> None:
        """Make the tenant's key; a tenant that has one keeps it."""

    def destroy_tenant_key(self, tenant: str) -> None:
        """Destroy the tenant's key, and with it every data key it wraps; destroying nothing is no error."""

    def has_tenant_key(self, tenant: str) -> bool:
        """Whether the tenant has a key."""

    def wrap(self, tenant: str, plaintext_key: bytes, context: dict[str, str]) -> str:
        """Encrypt a data key under the tenant's key, bound to the context; a printable token."""

    def unwrap(self, tenant: str, wrapped: str, context: dict[str, str]) -> bytes:
        """Decrypt a token of `wrap`; `KeyUnavailable` if tenant, context or token is not the one it was made with."""

    def rotate_tenant_key(self, tenant: str) -> None:
        """Give the tenant's key a new version, which wraps from now on; older ones still unwrap."""

    def is_current(self, tenant: str, wrapped: str) -> bool:
        """Whether a token is of the tenant's newest key version; if not, it is to be wrapped again."""

    def retire_old_keys(self, tenant: str) -> None:
        """Destroy every version but the newest, and with them the tokens that were not wrapped again."""

    def check(self, tenant: str) -> None:
        """Prove that the key works and that the context is enforced; `KeyCheckError` names the step that failed."""


def check_tenant_key(provider: KeyProvider, tenant: str) -> None:
    """The key check of every provider: generate, decrypt in the right context, be refused in a wrong one.

    Raises:
        KeyCheckError: with ``step`` one of ``key``, ``generate``, ``decrypt``, ``refuse``.
    """
    context = {"tenant": tenant, "purpose": "key-check"}
    step = "key"
    try:
        if not provider.has_tenant_key(tenant):
            raise KeyCheckError(step, f"tenant {tenant} has no key")
        step, plaintext = "generate", os.urandom(DATA_KEY_BYTES)
        wrapped = provider.wrap(tenant, plaintext, context)
        step = "decrypt"
        if provider.unwrap(tenant, wrapped, context) != plaintext:
            raise KeyCheckError(step, "another key came back")
    except KeyCheckError:
        raise
    except CustodyError as error:
        raise KeyCheckError(step, str(error)) from error
    try:
        provider.unwrap(tenant, wrapped, {**context, "purpose": "another"})
    except KeyUnavailable:
        return
    raise KeyCheckError("refuse", "the key was given out in a wrong context")

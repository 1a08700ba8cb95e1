"""All key providers of an installation as one: each tenant's key is with one of them.

The first part of a token says which provider made it. For a new token, the first provider that has
the tenant's key is used. To move a tenant to another provider, create the key there, wrap every
live token again (`Custody.rewrap`), then destroy the old provider's key.
"""

from collections.abc import Mapping

from simulacra_custody.errors import KeyUnavailable
from simulacra_custody.keys.base import KeyProvider, no_key

_MADE_BY = {"local": "local", "vault": "vault", "awskms": "awsKms"}


class TenantKeys(KeyProvider):
    """`KeyProvider` over ``local``, ``vault`` and ``awsKms``; new tenants get the first given."""

    def __init__(self, providers: Mapping[str, KeyProvider]) -> None:
        self._providers = dict(providers)

    def provider(self, name: str) -> KeyProvider:
        """Return one provider. Raises `KeyUnavailable` if the installation does not have it."""
        try:
            return self._providers[name]
        except KeyError:
            known = ", ".join(self._providers)
            raise KeyUnavailable(
                f"SIMULACRA_KEYS names no key provider {name!r}; it names {known}"
            ) from None

    def create_tenant_key(self, tenant: str) -> None:
        """Create the tenant's key with the default provider, unless some provider has one."""
        if not self.has_tenant_key(tenant):
            next(iter(self._providers.values())).create_tenant_key(tenant)

    def destroy_tenant_key(self, tenant: str) -> None:
        """Destroy the tenant's key with every provider."""
        for provider in self._providers.values():
            provider.destroy_tenant_key(tenant)

    def has_tenant_key(self, tenant: str) -> bool:
        """Return whether some provider has a key of the tenant."""
        return any(provider.has_tenant_key(tenant) for provider in self._providers.values())

    def wrap(self, tenant: str, plaintext_key: bytes, context: dict[str, str]) -> str:
        """Encrypt a data key with the provider that has the tenant's key."""
        return self._of(tenant).wrap(tenant, plaintext_key, context)

    def unwrap(self, tenant: str, wrapped: str, context: dict[str, str]) -> bytes:
        """Decrypt a token with the provider that made it."""
        return self._maker(wrapped).unwrap(tenant, wrapped, context)

    def rotate_tenant_key(self, tenant: str) -> None:
        """Rotate with the provider that has the tenant's key."""
        self._of(tenant).rotate_tenant_key(tenant)

    def is_current(self, tenant: str, wrapped: str) -> bool:
        """Return whether a token is of the newest version of the provider that now wraps."""
        provider = self._of(tenant)
        return self._maker(wrapped) is provider and provider.is_current(tenant, wrapped)

    def retire_old_keys(self, tenant: str) -> None:
        """Destroy old versions with every provider that has a key of the tenant."""
        owners = [one for one in self._providers.values() if one.has_tenant_key(tenant)]
        if not owners:
            raise no_key(tenant)
        for provider in owners:
            provider.retire_old_keys(tenant)

    def _of(self, tenant: str) -> KeyProvider:
        *others, last = self._providers.values()
        for provider in others:
            if provider.has_tenant_key(tenant):
                return provider
        # Without a key, the last provider raises the error.
        return last

    def _maker(self, wrapped: str) -> KeyProvider:
        name = _MADE_BY.get(wrapped.partition(".")[0])
        if name is None:
            raise KeyUnavailable("the wrapped key was made by no known provider")
        return self.provider(name)

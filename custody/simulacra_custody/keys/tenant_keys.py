"""The key providers of an installation as one: each tenant's key is with one of them.

A token's first part says who made it, so reading needs no look-up. For a new token the providers are asked in order
who has the tenant's key. A tenant moves to another provider in three steps: create the key there, wrap every live
token again (`Custody.rewrap`), destroy the old provider's key.
"""

from collections.abc import Mapping

from simulacra_custody.errors import KeyUnavailable
from simulacra_custody.keys.base import KeyProvider, check_tenant_key

_MADE_BY = {"local": "local", "vault": "vault", "awskms": "awsKms"}


class TenantKeys:
    """`KeyProvider` over several, named ``local``, ``vault``, ``awsKms``; the first is the default for new tenants."""

    def __init__(self, providers: Mapping[str, KeyProvider]) -> None:
        self._providers = dict(providers)

    def provider(self, name: str) -> KeyProvider:
        """One provider, to create a tenant's key there; `KeyUnavailable` if this installation has none of the name."""
        try:
            return self._providers[name]
        except KeyError:
            known = ", ".join(self._providers)
            raise KeyUnavailable(
                f"SIMULACRA_KEYS names no key provider {name!r}; it names {known}"
            ) from None

    def create_tenant_key(self, tenant: str) -> None:
        """Make the tenant's key with the default provider, unless some provider has one."""
        if not self.has_tenant_key(tenant):
            next(iter(self._providers.values())).create_tenant_key(tenant)

    def destroy_tenant_key(self, tenant: str) -> None:
        """Destroy the tenant's key wherever there is one."""
        for provider in self._providers.values():
            provider.destroy_tenant_key(tenant)

    def has_tenant_key(self, tenant: str) -> bool:
        """Whether some provider has a key of the tenant."""
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
        """Whether the token is of the newest version at the provider that wraps for the tenant now."""
        provider = self._of(tenant)
        return self._maker(wrapped) is provider and provider.is_current(tenant, wrapped)

    def retire_old_keys(self, tenant: str) -> None:
        """Destroy old versions wherever the tenant has a key."""
        for provider in self._providers.values():
            if provider.has_tenant_key(tenant):
                provider.retire_old_keys(tenant)

    def check(self, tenant: str) -> None:
        """Run the key check; see `keys.check_tenant_key`."""
        check_tenant_key(self, tenant)

    def _of(self, tenant: str) -> KeyProvider:
        *others, last = self._providers.values()
        for provider in others:
            if provider.has_tenant_key(tenant):
                return provider
        return last  # which says what is wrong if it has none either

    def _maker(self, wrapped: str) -> KeyProvider:
        name = _MADE_BY.get(wrapped.partition(".")[0])
        if name is None:
            raise KeyUnavailable("the wrapped key was made by no known provider")
        return self.provider(name)

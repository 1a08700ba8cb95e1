"""Verifier of bearer tokens: from a token of either issuer to its client.

A client sends one token for an hour, so verified tokens are cached by their digest, with the key
set that verified the signature. The signature is verified again once the keys have been read again,
whether or not they changed; issuer, audience, times and revocation are checked at every request.
"""

import hashlib
import re
from dataclasses import dataclass

from joserfc.jwk import KeySet

from simulacra_api.auth import oidc, tokens
from simulacra_api.auth.oidc import OidcKeys
from simulacra_api.auth.revocation import Revocations
from simulacra_api.auth.signing import MISS_SECONDS, SigningKeyStore
from simulacra_api.settings import Settings

CACHED_TOKENS = 4096
"""Size of the cache; the token verified first is dropped first."""
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")


@dataclass(frozen=True)
class Verified:
    """A token whose signature these keys have verified."""

    issuer: str
    kid: str
    keys: KeySet
    claims: tokens.Claims
    client: str

    @property
    def id(self) -> str:
        """The token's `jti`."""
        return str(self.claims.get("jti", ""))

    @property
    def issued(self) -> int:
        """When it was issued, in seconds since the epoch; 0 when it does not say."""
        return int(self.claims.get("iat", 0))

    @property
    def ends(self) -> int:
        """When it expires, in seconds since the epoch."""
        return int(self.claims["exp"])


class TokenVerifier:
    """Checks access tokens of the built-in issuer and of the external one, when there is one."""

    def __init__(
        self,
        settings: Settings,
        signing: SigningKeyStore,
        external: OidcKeys | None,
        revocations: Revocations,
    ) -> None:
        self._settings = settings
        self._signing = signing
        self._external = external
        self._revocations = revocations
        self._verified: dict[bytes, Verified] = {}

    async def client_of(self, token: str) -> str:
        """Return the client id of a valid access token; Problem 401 names the failed check."""
        return (await self.verified(token)).client

    def forget(self, client_id: str) -> None:
        """Read what is revoked of a client again at its next request to this process."""
        self._revocations.forget(client_id)

    async def verified(self, token: str, typ: str = tokens.ACCESS) -> Verified:
        """Return a valid token of this `typ`; Problem 401 names the failed check."""
        digest = hashlib.sha256(f"{typ} {token}".encode("utf-8", "surrogatepass")).digest()
        known = self._verified.get(digest)
        if known is not None and known.keys is await self._keys(known.issuer, known.kid):
            tokens.check_claims(known.claims, known.issuer, self._settings.audience)
            await self._check_revoked(known)
            return known
        issuer, kid = tokens.peek(token)
        keys = await self._keys(issuer, kid)
        own = issuer == self._settings.public_url
        if not own and typ != tokens.ACCESS:
            raise tokens.unauthenticated("the token comes from another issuer")
        claims = tokens.verify(
            token,
            keys,
            issuer=issuer,
            audience=self._settings.audience,
            algorithms=tokens.ALGORITHMS if own else oidc.ALGORITHMS,
            types={typ} if own else oidc.TYPES,
        )
        client = str(claims.get("client_id")) if own else _external_client(claims)
        self._verified.pop(digest, None)
        self._verified[digest] = found = Verified(issuer, kid, keys, claims, client)
        if len(self._verified) > CACHED_TOKENS:
            del self._verified[next(iter(self._verified))]
        await self._check_revoked(found)
        return found

    async def _check_revoked(self, found: Verified) -> None:
        revoked = await self._revocations.of(found.client)
        if found.claims.get("iat", 0) < revoked.before:
            raise tokens.unauthenticated("the token was revoked with the client's former secret")
        if found.id in revoked.spent:
            raise tokens.unauthenticated("the session was ended")

    async def _keys(self, issuer: str, kid: str) -> KeySet:
        """Return the keys of an issuer, read again when they lack this key id."""
        if issuer == self._settings.public_url:
            keys = await self._signing.current()
            if kid not in {key.kid for key in keys.published.keys}:
                keys = await self._signing.current(max_age=MISS_SECONDS)
            return keys.published
        if self._external is None or issuer != self._external.issuer:
            raise tokens.unauthenticated("the token comes from another issuer")
        return await self._external.keys_for(kid)


def _external_client(claims: tokens.Claims) -> str:
    client = claims.get("client_id") or claims.get("azp")
    if not isinstance(client, str) or not _CLIENT.fullmatch(client):
        raise tokens.unauthenticated("the token names no client (client_id or azp)")
    return client

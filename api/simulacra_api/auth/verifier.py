"""From a bearer token to the client that sends it, whichever issuer made the token."""

from __future__ import annotations

import re

from simulacra_api.auth import oidc, tokens
from simulacra_api.auth.oidc import OidcKeys
from simulacra_api.auth.signing import MISS_SECONDS, SigningKeyStore
from simulacra_api.settings import Settings

_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")


class TokenVerifier:
    """Checks access tokens of the built-in issuer and of the external one, when there is one."""

    def __init__(self, settings: Settings, signing: SigningKeyStore, external: OidcKeys | None) -> None:
        self._settings = settings
        self._signing = signing
        self._external = external

    async def client_of(self, token: str) -> str:
        """Return the client id of a valid token; Problem 401 says which check failed."""
        issuer, kid = tokens.peek(token)
        audience = self._settings.audience
        if issuer == self._settings.public_url:
            keys = await self._signing.current()
            if kid not in {key.kid for key in keys.published.keys}:
                keys = await self._signing.current(max_age=MISS_SECONDS)
            claims = tokens.verify(
                token,
                keys.published,
                issuer=issuer,
                audience=audience,
                algorithms=tokens.ALGORITHMS,
                types={"at+jwt"},
            )
            return str(claims["client_id"])
        if self._external is None or issuer != self._external.issuer:
            raise tokens.unauthenticated("the token comes from another issuer")
        claims = tokens.verify(
            token,
            await self._external.keys_for(kid),
            issuer=issuer,
            audience=audience,
            algorithms=oidc.ALGORITHMS,
            types=oidc.TYPES,
        )
        client = claims.get("client_id") or claims.get("azp")
        if not isinstance(client, str) or not _CLIENT.fullmatch(client):
            raise tokens.unauthenticated("the token names no client (client_id or azp)")
        return client

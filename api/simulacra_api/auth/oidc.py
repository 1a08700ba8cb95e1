"""Keys of an external OpenID Connect issuer: discovered, cached, kept while the issuer is down."""

import asyncio
import logging
import time
from typing import Any

import httpx2
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from simulacra_api.http.problems import Problem

ALGORITHMS = ["RS256", "ES256"]
TYPES = frozenset({"jwt", "at+jwt"})
"""Auth0's default profile uses JWT, RFC 9068 at+jwt."""
FRESH_SECONDS = 600.0
MISS_SECONDS = 30.0
"""Minimum time between two fetches, also for unknown key ids."""
_LOG = logging.getLogger("simulacra_api")


class OidcKeys:
    """The JSON Web Key Set of one issuer."""

    def __init__(self, issuer: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.issuer = issuer
        self._http = httpx2.AsyncClient(timeout=5.0, transport=transport)
        self._keys: KeySet | None = None
        self._known: frozenset[str] = frozenset()
        self._fetched = self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def keys_for(self, kid: str) -> KeySet:
        """Return the issuer's keys, fetched again when they are old or lack `kid`.

        Raises:
            Problem: 503 when there are no keys and the issuer cannot be reached.
        """
        async with self._lock:
            age, tried = time.monotonic() - self._fetched, time.monotonic() - self._tried
            if (age > FRESH_SECONDS or kid not in self._known) and tried > MISS_SECONDS:
                await self._fetch()
        if self._keys is None:
            detail = "The identity provider cannot be reached, so tokens cannot be checked."
            raise Problem("simio_unavailable", detail)
        return self._keys

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _fetch(self) -> None:
        self._tried = time.monotonic()
        try:
            base = self.issuer.rstrip("/")
            discovery = await self._json(f"{base}/.well-known/openid-configuration")
            jwks = await self._json(str(discovery["jwks_uri"]))
            self._keys = KeySet.import_key_set(jwks)
        except (httpx2.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            _LOG.warning("fetching the OIDC issuer's keys failed cause=%s", type(error).__name__)
            return
        self._known = frozenset(str(key.kid) for key in self._keys.keys)
        self._fetched = time.monotonic()

    async def _json(self, url: str) -> Any:
        response = await self._http.get(url)
        response.raise_for_status()
        return response.json()

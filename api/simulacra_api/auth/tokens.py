"""Access tokens: RFC 9068 JWTs of the built-in issuer, and the checks of every issuer's tokens."""

import json
import math
import time
import uuid
from collections.abc import Collection
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from simulacra_api.auth.signing import SigningKeys
from simulacra_api.http.field_types import is_finite
from simulacra_api.http.problems import Problem

ALGORITHMS = ["ES256"]
ACCESS = "at+jwt"
"""`typ` of an access token (RFC 9068)."""
SESSION = "session+jwt"
"""`typ` of the session in a browser's cookie."""
LEEWAY_SECONDS = 30
MAX_TOKEN_LENGTH = 8192
Claims = dict[str, Any]


def unauthenticated(reason: str) -> Problem:
    """Return the 401 with its challenge (RFC 6750); `reason` begins in lower case."""
    challenge = f'Bearer realm="simulacra", error="invalid_token", error_description="{reason}"'
    detail = f"{reason[0].upper()}{reason[1:]}. Get a new token at /oauth/token."
    return Problem("simio_unauthenticated", detail, headers={"WWW-Authenticate": challenge})


def issue(
    keys: SigningKeys,
    *,
    issuer: str,
    audience: str,
    client_id: str,
    issued: int,
    expires: int,
    typ: str = ACCESS,
) -> str:
    """Return a signed token of this client; times are seconds since the epoch."""
    claims = {
        "iss": issuer,
        "sub": client_id,
        "aud": audience,
        "client_id": client_id,
        "iat": issued,
        "exp": expires,
        "jti": uuid.uuid4().hex,
    }
    header = {"alg": "ES256", "typ": typ, "kid": keys.active.kid}
    return jwt.encode(header, claims, keys.active, algorithms=ALGORITHMS)


def peek(token: str) -> tuple[str, str]:
    """Return issuer and key id of a token, unverified, to choose the keys; 401 without them."""
    try:
        if len(token) > MAX_TOKEN_LENGTH:
            raise ValueError
        parsed = jws.extract_compact(token.encode())
        return str(json.loads(parsed.payload)["iss"]), str(parsed.headers().get("kid", ""))
    except (JoseError, ValueError, KeyError, TypeError, RecursionError):
        raise unauthenticated("the token is not a JWT with an issuer") from None


def verify(
    token: str,
    keys: KeySet,
    *,
    issuer: str,
    audience: str,
    algorithms: list[str],
    types: Collection[str],
) -> Claims:
    """Return the claims of a token after checking algorithm, signature, typ, iss, aud, exp, nbf.

    Raises:
        Problem: 401, naming the failed check.
    """
    try:
        decoded = jwt.decode(token, keys, algorithms=algorithms)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise unauthenticated("the token's signature is not valid") from None
    header, claims = decoded.header, decoded.claims
    if str(header.get("typ", "")).lower().removeprefix("application/") not in types:
        raise unauthenticated("the token's typ is not that of an access token")
    check_claims(claims, issuer, audience)
    return claims


def check_claims(claims: Claims, issuer: str, audience: str) -> None:
    """Refuse (401) claims of another issuer or audience, and expired or premature ones."""
    if claims.get("iss") != issuer:
        raise unauthenticated("the token comes from another issuer")
    audiences = claims.get("aud")
    if audience not in (audiences if isinstance(audiences, list) else [audiences]):
        raise unauthenticated("the token is for another audience")
    now = time.time()
    if now > _time_of(claims, "exp", missing=-math.inf) + LEEWAY_SECONDS:
        raise unauthenticated("the token has expired")
    if now < max(_time_of(claims, "nbf"), _time_of(claims, "iat")) - LEEWAY_SECONDS:
        raise unauthenticated("the token is not valid yet")


def _time_of(claims: Claims, name: str, missing: float = 0.0) -> float:
    """Return a time claim in seconds since the epoch; 401 unless it is a finite number."""
    if name not in claims:
        return missing
    value = claims[name]
    # NaN is less than nothing and more than nothing: a token with it would never expire.
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_finite(value):
        raise unauthenticated(f"the token's {name} is not a time")
    return value

"""Sessions of the pages: the cookie of a signed-in browser, and its protection against CSRF.

The cookie holds a JWT of the built-in issuer with its own `typ`, so it is no access token and an
access token is no cookie. No process remembers a session: every replica checks every cookie. A
session ends with the access token it was made from, with that token's revocation, and at sign-out.
"""

import time
from urllib.parse import urlsplit

from fastapi import Request, Response

from simulacra_api.auth import tokens
from simulacra_api.auth.signing import SigningKeys
from simulacra_api.auth.verifier import TokenVerifier, Verified
from simulacra_api.http.problems import Problem
from simulacra_api.settings import Settings

MAX_SESSION_SECONDS = 12 * 3600
"""Longest session, whatever the lifetime of an external issuer's token is."""
_SAFE = frozenset({"GET", "HEAD"})


def cookie_name(settings: Settings) -> str:
    """Return the name of the cookie.

    `__Host-` (RFC 6265bis) binds it to this host over TLS. Without TLS it has the port, because
    cookies of one host are shared by all its ports.
    """
    url = urlsplit(settings.public_url)
    return "__Host-simulacra" if url.scheme == "https" else f"simulacra-{url.port or 80}"


def issue(keys: SigningKeys, settings: Settings, client_id: str, issued: int, ends: int) -> str:
    """Return the session of a client whose access token was issued and ends at these times."""
    return tokens.issue(
        keys,
        issuer=settings.public_url,
        audience=settings.audience,
        client_id=client_id,
        issued=issued,
        expires=ends,
        typ=tokens.SESSION,
    )


def set_cookie(response: Response, settings: Settings, session: str, ends: int) -> None:
    """Give the browser the cookie; no script can read it, and no other site can send it."""
    response.set_cookie(
        cookie_name(settings),
        session,
        max_age=max(0, ends - int(time.time())),
        path="/",
        secure=settings.public_url.startswith("https:"),
        httponly=True,
        samesite="strict",
    )


def clear_cookie(response: Response, settings: Settings) -> None:
    """Take the cookie from the browser."""
    set_cookie(response, settings, "", 0)


async def session_of(request: Request, settings: Settings, verifier: TokenVerifier) -> Verified:
    """Return the session in the cookie of a request of our own pages.

    Raises:
        Problem: 401 without a valid cookie, 403 for a request that another site caused.
    """
    session = request.cookies.get(cookie_name(settings))
    if not session:
        raise tokens.unauthenticated("a bearer token is required")
    check_origin(request, settings)
    return await verifier.verified(session, tokens.SESSION)


def check_origin(request: Request, settings: Settings) -> None:
    """Refuse (403) a request that a page of another origin caused.

    Browsers send Sec-Fetch-Site (W3C Fetch Metadata) to https and loopback hosts; without it, the
    Origin header (RFC 6454) of a request that changes something must be this host. SameSite=Strict
    does not suffice: another port or subdomain is the same site.
    """
    site = request.headers.get("sec-fetch-site")
    safe = request.method in _SAFE
    if site is not None:
        allowed = site == "same-origin" or (safe and site == "none")
    else:
        origin = urlsplit(request.headers.get("origin", "")).netloc
        hosts = {request.headers.get("host", ""), urlsplit(settings.public_url).netloc}
        allowed = safe or bool(origin and origin in hosts)
    if not allowed:
        raise Problem("simio_cross_site_request")

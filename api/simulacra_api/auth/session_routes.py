"""Routes of the pages' sessions: a login code for a browser, sign-in, present session, sign-out.

They are for the pages and for `simulacra up`, so they are not part of the documented API.
"""

import time
from contextlib import suppress

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from simulacra_api.auth import sessions
from simulacra_api.auth.login_codes import MAX_CODE_LENGTH, LoginCode
from simulacra_api.auth.verifier import Verified
from simulacra_api.http.problems import Problem, of_exception
from simulacra_api.services import Services, ServicesDep
from simulacra_api.tenancy.caller import bearer_token
from simulacra_crds.kube.client import ClusterError
from simulacra_custody.audit.event import AuditData, EventType, Outcome
from simulacra_custody.errors import CustodyError

router = APIRouter(prefix="/console", include_in_schema=False)


class LoginCodeBody(BaseModel):
    """A login code and the link that uses it. The code is in the fragment, which is never sent."""

    code: str
    url: str
    expires_in: int = Field(description="Seconds.")


class SignIn(BaseModel, extra="forbid"):
    """A login code; without it, the request has an access token in its Authorization header."""

    code: str | None = Field(default=None, max_length=MAX_CODE_LENGTH)


class SessionBody(BaseModel):
    """The signed-in client, and when the session ends (seconds since the epoch)."""

    client_id: str
    ends_at: int


@router.post("/login-codes", status_code=201)
async def create_login_code(request: Request, services: ServicesDep) -> LoginCodeBody:
    """Return a code that signs one browser in, once, until the caller's access token expires."""
    found = await services.verifier.verified(bearer_token(request))
    await _admit(request, services, found.client)
    now = int(time.time())
    code = LoginCode.new(found.client, found.issued, _end(found, now), now)
    text = code.text((await services.signing.current()).link_key)
    url = f"{services.settings.public_url}/console#code={text}"
    return LoginCodeBody(code=text, url=url, expires_in=code.expires - now)


@router.post("/session", status_code=201)
async def sign_in(
    request: Request, body: SignIn, response: Response, services: ServicesDep
) -> SessionBody:
    """Exchange a login code or an access token for the cookie. Only our own pages may."""
    settings = services.settings
    sessions.check_origin(request, settings)
    if body.code is None:
        found = await services.verifier.verified(bearer_token(request))
        client, issued, ends = found.client, found.issued, _end(found, int(time.time()))
        await _admit(request, services, client)
    else:
        code = await _used(request, services, body.code)
        client, issued, ends = code.client_id, code.issued, code.ends
    await _replace(request, services)
    keys = await services.signing.current()
    session = sessions.issue(keys, settings, client, issued, ends)
    await services.record(EventType.TOKEN_ISSUED, _audit_data(request))
    sessions.set_cookie(response, settings, session, ends)
    return SessionBody(client_id=client, ends_at=ends)


@router.get("/session", response_model=SessionBody, responses={204: {}})
async def present_session(request: Request, services: ServicesDep) -> SessionBody | Response:
    """Return the session of the cookie, or 204 and no cookie where there is none that is valid."""
    settings = services.settings
    if sessions.cookie_name(settings) not in request.cookies:
        return Response(status_code=204)
    sessions.check_origin(request, settings)
    try:
        found = await sessions.session_of(request, settings, services.verifier)
        await services.tenants.of_client(found.client)
    except Problem as problem:
        # A suspended tenant, for example, is said to its user, who stays signed in.
        if problem.entry.status != 401 and problem.entry.code != "simio_forbidden":
            raise
        return _signed_out(services)
    return SessionBody(client_id=found.client, ends_at=found.ends)


@router.delete("/session", status_code=204)
async def sign_out(request: Request, services: ServicesDep) -> Response:
    """End the session, also for a copy of its cookie, and take the cookie from the browser.

    The browser loses the cookie also where the session could not be ended; the problem says so.
    """
    sessions.check_origin(request, services.settings)
    signed_out = _signed_out(services)
    try:
        await _end_session(request, services)
    except (Problem, CustodyError, ClusterError) as error:
        problem = of_exception(error)
        if problem.entry.status != 401:
            problem.headers["Set-Cookie"] = signed_out.headers["set-cookie"]
            raise problem from error
    return signed_out


async def _end_session(request: Request, services: Services) -> None:
    """End the session of the request's cookie for every copy of it."""
    found = await sessions.session_of(request, services.settings, services.verifier)
    if await services.tenants.listing(found.client):  # else its Secret would be created again
        await services.credentials.spend(found.client, found.id, found.ends)
        services.verifier.forget(found.client)


async def _replace(request: Request, services: Services) -> None:
    """End the session that a sign-in replaces; the sign-in does not depend on it."""
    with suppress(Problem, CustodyError, ClusterError):
        await _end_session(request, services)


async def _used(request: Request, services: Services, text: str) -> LoginCode:
    """Use a login code up and return it; one conditional write decides who signs in with it."""
    key = (await services.signing.current()).link_key
    code = LoginCode.parse(text, key, int(time.time()))
    if code is None:
        raise Problem("simio_login_code_invalid")
    await _admit(request, services, code.client_id)
    record = await services.credentials.read(code.client_id)
    revoked = code.issued < record.revoked_before
    if revoked or not await services.credentials.spend(code.client_id, code.spent_id, code.expires):
        refused = _audit_data(request).model_copy(update={"outcome": Outcome.REFUSED})
        await services.record(EventType.TOKEN_REFUSED, refused)
        raise Problem("simio_login_code_invalid")
    return code


async def _admit(request: Request, services: Services, client_id: str) -> None:
    """Check tenant and rate of a client, and name both in the access log."""
    tenant = await services.tenants.of_client(client_id)
    request.state.tenant, request.state.client = tenant.metadata.name, client_id
    services.rates.take(tenant.metadata.name, tenant.spec.quotas.requests_per_minute).check()


def _audit_data(request: Request) -> AuditData:
    state = request.state
    return AuditData(client=state.client, tenant=state.tenant, request=state.request_id)


def _end(found: Verified, now: int) -> int:
    return min(found.ends, now + sessions.MAX_SESSION_SECONDS)


def _signed_out(services: Services) -> Response:
    response = Response(status_code=204)
    sessions.clear_cookie(response, services.settings)
    return response

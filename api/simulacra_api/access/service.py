"""Signup: a request for access that a person decides, and what its status says to who asked.

The request id is 256 random bits that only the customer has: the AccessRequest is named by its
digest, so that whoever may look at AccessRequests cannot follow it to the credentials. Limits are
counted on the AccessRequests themselves, so that all processes share them; requests that race in
several processes may exceed them by one a process.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from simulacra_api.auth.credentials import ATTEMPTS, ClientRecord, digest_of
from simulacra_api.http.problems import Problem
from simulacra_api.services import Services
from simulacra_api.tenancy.audit import record
from simulacra_crds.contract.names import access_request_name
from simulacra_crds.contract.reasons import Reason
from simulacra_crds.kinds.access_request import AccessRequest
from simulacra_crds.kinds.base import API_VERSION, GROUP, utcnow
from simulacra_crds.kube.client import ACCESS_REQUESTS, Conflict, Object
from simulacra_custody.audit.event import AuditData, EventType

PER_ADDRESS_AN_HOUR = 5
ALL_AN_HOUR = 100
CLAIMABLE = timedelta(days=7)
"""So long after the approval a claim token is shown; then another signup is needed."""
CLAIM_ID = "signup"
LABEL_HOUR, LABEL_SOURCE = f"{GROUP}/asked-hour", f"{GROUP}/source"
"""Labels: the hour (since the epoch) and a keyed digest of the address that it came from, for the limits only."""
_REQUEST_ID = re.compile(r"req_[A-Za-z0-9_-]{43}")
_WAITING = 32


class SignupRequest(BaseModel):
    """Who asks."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"company": "Acme Research", "contact": "ada@acme.example"}]
        },
    )

    company: Annotated[
        str,
        StringConstraints(strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]+$", max_length=128),
    ]
    contact: Annotated[
        str, StringConstraints(pattern=r"^[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+$", max_length=254)
    ] = Field(description="E-mail address.")


class SignupBody(BaseModel):
    """A request for access. `claimed`: the secret was given out; `expired`: it was not in time, or access has ended."""

    request_id: str = Field(description="Keep it secret: it leads to the credentials.")
    status: Literal["pending", "approved", "claimed", "denied", "expired"]
    client_id: str | None = None
    credential_claim_token: str | None = Field(
        default=None, description="Exchange it at /v1/credential-claims, once."
    )
    credential_claim_expires_at: datetime | None = None


class Signups:
    """Files requests for access, one at a time in this process, and tells what became of them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ask(self, asked: SignupRequest, address: str, request_id: str) -> SignupBody:
        """Create the AccessRequest; 429 above the limits. `request_id` is that of the HTTP request."""
        lock = self._services.signup_lock
        if lock.waiting >= _WAITING:
            raise _too_many(60)
        async with lock:
            source = await self._source(address)
            await self._check_limits(source)
            bearer = "req_" + secrets.token_urlsafe(32)
            labels = {LABEL_HOUR: str(int(time.time()) // 3600), LABEL_SOURCE: source}
            metadata = {"name": access_request_name(bearer), "labels": labels}
            body: Object = {
                "apiVersion": API_VERSION,
                "kind": "AccessRequest",
                "metadata": metadata,
            }
            body["spec"] = asked.model_dump()
            await record(
                self._services.audit, EventType.ACCESS_REQUESTED, AuditData(request=request_id)
            )
            await self._services.cluster.create(ACCESS_REQUESTS, body)
        return SignupBody(request_id=bearer, status="pending")

    async def look(self, bearer: str, request_id: str) -> SignupBody:
        """Return the state of a request; 404 for an id that is none."""
        name = access_request_name(bearer)
        found = (
            await self._services.cluster.find(ACCESS_REQUESTS, name)
            if _REQUEST_ID.fullmatch(bearer)
            else None
        )
        if found is None:
            raise Problem("simio_signup_not_found")
        request = AccessRequest.model_validate(found)
        if request.spec.decision == "Denied":
            return SignupBody(request_id=bearer, status="denied")
        client_id = request.status.client_id
        if request.spec.decision == "Pending" or client_id is None:
            return SignupBody(request_id=bearer, status="pending")
        if any(one.reason == Reason.TENANT_GONE for one in request.status.conditions):
            return SignupBody(request_id=bearer, status="expired", client_id=client_id)
        return await self._offer(bearer, client_id, _decided_at(request), request_id)

    async def _offer(
        self, bearer: str, client_id: str, decided: datetime, request_id: str
    ) -> SignupBody:
        """Return the open claim of an approved request, and make it where there is none."""
        credentials = self._services.credentials
        for _ in range(ATTEMPTS):
            known = await credentials.read(client_id)
            if (claim := known.claim(CLAIM_ID)) is not None and claim.used is not None:
                return SignupBody(request_id=bearer, status="claimed", client_id=client_id)
            if utcnow() > decided + CLAIMABLE:
                return SignupBody(request_id=bearer, status="expired", client_id=client_id)
            token = await credentials.token_of(client_id, claim, bearer) if claim else ""
            if claim is None or not claim.open or digest_of(token) != claim.sha256:
                await self._issue(known, bearer, request_id)
                continue
            return SignupBody(
                request_id=bearer,
                status="approved",
                client_id=client_id,
                credential_claim_token=token,
                credential_claim_expires_at=datetime.fromtimestamp(claim.expires, UTC),
            )
        raise Problem("simio_unavailable")

    async def _issue(self, known: ClientRecord, bearer: str, request_id: str) -> None:
        credentials = self._services.credentials
        claim = await credentials.issue(
            known.client_id, CLAIM_ID, "signup", overlap=0, knowledge=bearer
        )
        data = AuditData(client=known.client_id, request=request_id)
        await record(self._services.audit, EventType.CREDENTIAL_OFFERED, data)
        with suppress(Conflict):  # another process was first: its claim is the claim
            await credentials.write(known.with_claim(claim))

    async def _source(self, address: str) -> str:
        key = (await self._services.signing.current()).link_key
        return hmac.digest(key, f"source\x1f{address}".encode(), hashlib.sha256).hex()[:32]

    async def _check_limits(self, source: str) -> None:
        hour, now = int(time.time()) // 3600, utcnow()
        asked: list[tuple[datetime, str]] = []
        async for item in self._services.cluster.list(
            ACCESS_REQUESTS, labels=f"{LABEL_HOUR} in ({hour - 1},{hour})"
        ):
            created = datetime.fromisoformat(item["metadata"]["creationTimestamp"])
            if created > now - timedelta(hours=1):
                asked.append((created, item["metadata"]["labels"].get(LABEL_SOURCE, "")))
        own = sorted(created for created, one in asked if one == source)
        everybody = sorted(created for created, _ in asked)
        for times, limit in ((own, PER_ADDRESS_AN_HOUR), (everybody, ALL_AN_HOUR)):
            if len(times) >= limit:
                free = times[-limit] + timedelta(hours=1)
                raise _too_many(max(1, round((free - now).total_seconds())))


def _too_many(seconds: int) -> Problem:
    detail = f"{PER_ADDRESS_AN_HOUR} signups an hour from one address, {ALL_AN_HOUR} in all: try again later"
    return Problem("simio_rate_limited", detail, headers={"Retry-After": str(seconds)})


def _decided_at(request: AccessRequest) -> datetime:
    times = [one.last_transition_time for one in request.status.conditions if one.type == "Decided"]
    return times[0] if times else utcnow()

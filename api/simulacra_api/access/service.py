"""Signups: requests for access that a person decides, and their status.

The request id is 256 random bits that only the customer has. The AccessRequest is named by its
digest, so that reading AccessRequests does not lead to the credentials. Limits are counted on the
AccessRequests themselves, so all processes share them; concurrent requests in several processes may
exceed them by one per process.
"""

import hashlib
import hmac
import re
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from simulacra_api.access.schemas import SignupBody, SignupRequest
from simulacra_api.auth.client_record import ClientRecord
from simulacra_api.auth.credentials import ATTEMPTS, digest_of
from simulacra_api.http.problems import Problem
from simulacra_api.services import Services
from simulacra_crds.kinds.access_request import AccessRequest
from simulacra_crds.kinds.base import API_VERSION, GROUP, utcnow
from simulacra_crds.kube.client import ACCESS_REQUESTS, Conflict, Object
from simulacra_crds.names import access_request_name
from simulacra_crds.reasons import Reason
from simulacra_custody.audit.event import AuditData, EventType

PER_ADDRESS_AN_HOUR = 5
ALL_AN_HOUR = 100
CLAIMABLE = timedelta(days=7)
"""How long after the approval a claim token is shown; after that, another signup is needed."""
CLAIM_ID = "signup"
LABEL_HOUR = f"{GROUP}/asked-hour"
"""Label: the hour of the signup since the epoch, to count it."""
LABEL_SOURCE = f"{GROUP}/source"
"""Label: a keyed digest of the address that it came from, to count it."""
_REQUEST_ID = re.compile(r"req_[A-Za-z0-9_-]{43}")
_MAX_WAITING = 32


class Signups:
    """Creates signups, one at a time in this process, and returns their status."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, signup: SignupRequest, address: str, request_id: str) -> SignupBody:
        """Create the AccessRequest; 429 above the limits. `request_id` is the HTTP request's."""
        services = self._services
        if services.signup_lock.waiting >= _MAX_WAITING:
            raise _too_many(60)
        async with services.signup_lock:
            source = await self._source(address)
            await self._check_limits(source)
            bearer = "req_" + secrets.token_urlsafe(32)
            labels = {LABEL_HOUR: str(int(time.time()) // 3600), LABEL_SOURCE: source}
            body: Object = {
                "apiVersion": API_VERSION,
                "kind": "AccessRequest",
                "metadata": {"name": access_request_name(bearer), "labels": labels},
                "spec": signup.model_dump(),
            }
            await services.record(EventType.ACCESS_REQUESTED, AuditData(request=request_id))
            await services.cluster.create(ACCESS_REQUESTS, body)
        return SignupBody(request_id=bearer, status="pending")

    async def find(self, bearer: str, request_id: str) -> SignupBody:
        """Return the status of a signup by its request id `bearer`; 404 for an unknown one."""
        found = None
        if _REQUEST_ID.fullmatch(bearer):
            name = access_request_name(bearer)
            found = await self._services.cluster.find(ACCESS_REQUESTS, name)
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
        """Return the open claim of an approved signup, a new one if there is none."""
        credentials = self._services.credentials
        for _ in range(ATTEMPTS):
            known = await credentials.read(client_id)
            claim = known.claim(CLAIM_ID)
            if claim is not None and claim.used is not None:
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
        credentials, client_id = self._services.credentials, known.client_id
        claim = await credentials.issue(client_id, CLAIM_ID, "signup", overlap=0, knowledge=bearer)
        data = AuditData(client=client_id, request=request_id)
        await self._services.record(EventType.CREDENTIAL_OFFERED, data)
        with suppress(Conflict):  # another process was first: its claim counts
            await credentials.write(known.with_claim(claim))

    async def _source(self, address: str) -> str:
        key = (await self._services.signing.current()).link_key
        return hmac.digest(key, f"source\x1f{address}".encode(), hashlib.sha256).hex()[:32]

    async def _check_limits(self, source: str) -> None:
        now = utcnow()
        hour = int(time.time()) // 3600
        recent: list[tuple[datetime, str]] = []
        labels = f"{LABEL_HOUR} in ({hour - 1},{hour})"
        async for item in self._services.cluster.list(ACCESS_REQUESTS, labels=labels):
            created = datetime.fromisoformat(item["metadata"]["creationTimestamp"])
            if created > now - timedelta(hours=1):
                recent.append((created, item["metadata"]["labels"].get(LABEL_SOURCE, "")))
        from_address = sorted(created for created, origin in recent if origin == source)
        from_all = sorted(created for created, _ in recent)
        for times, limit in ((from_address, PER_ADDRESS_AN_HOUR), (from_all, ALL_AN_HOUR)):
            if len(times) >= limit:
                free = times[-limit] + timedelta(hours=1)
                raise _too_many(max(1, round((free - now).total_seconds())))


def _too_many(seconds: int) -> Problem:
    detail = (
        f"The limit is {PER_ADDRESS_AN_HOUR} signups per hour from one address and {ALL_AN_HOUR} "
        "in total. Wait as Retry-After says."
    )
    return Problem("simio_rate_limited", detail, headers={"Retry-After": str(seconds)})


def _decided_at(request: AccessRequest) -> datetime:
    times = [one.last_transition_time for one in request.status.conditions if one.type == "Decided"]
    return times[0] if times else utcnow()

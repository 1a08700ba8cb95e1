"""Credential claims and rotations: a one-time token becomes a client secret, and the one before retires in time."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulacra_api.auth.caller import Caller
from simulacra_api.auth.clients import expiry_of
from simulacra_api.auth.credentials import ATTEMPTS, Claim, ClientRecord, Redeemed
from simulacra_api.http.field_types import Overlap
from simulacra_api.http.problems import Problem
from simulacra_api.services import Services
from simulacra_api.tenancy.audit import record
from simulacra_crds.auth0 import Auth0Error
from simulacra_crds.kube.client import ClusterError, Conflict
from simulacra_custody.audit.event import AuditData, EventType, Outcome
from simulacra_custody.errors import CustodyError

OVERLAP_SECONDS = 86_400
ROTATIONS_A_DAY = 5
DAY = 86_400
_LOG = logging.getLogger("simulacra_api")


class RotationRequest(BaseModel):
    """What a rotation is to do."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"overlap_seconds": 86_400}]}
    )

    overlap_seconds: Overlap = Field(
        default=OVERLAP_SECONDS,
        description="So long the present secret stays good once the new one is claimed; 0 when it has leaked.",
    )


class RotationBody(BaseModel):
    """A rotation."""

    rotation_id: str
    client_id: str
    status: Literal["approved", "claimed", "expired"]
    overlap_seconds: int
    credential_claim_token: str | None = Field(
        default=None, description="Exchange it at /v1/credential-claims, once."
    )
    credential_claim_expires_at: datetime | None = None
    claimed_at: datetime | None = None


class ClaimRequest(BaseModel):
    """A claim token."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    credential_claim_token: str = Field(min_length=1, max_length=256)


class CredentialBody(BaseModel):
    """A client's credentials. The secret is shown this once and kept nowhere."""

    client_id: str
    client_secret: str = Field(description="Shown this once.")
    token_url: str
    audience: str
    previous_secret_expires_at: datetime | None = Field(
        default=None, description="When the secret before stops working; null when there is none."
    )


async def request_rotation(
    services: Services, caller: Caller, wanted: RotationRequest
) -> RotationBody:
    """Open a rotation of the caller's client. Auth0 knows no overlap: there the secret before ends
    with the claim.

    Raises:
        Problem: 409 for a client of an external issuer, 429 above five a day.
    """
    for _ in range(ATTEMPTS):
        known = await services.credentials.read(caller.client_id)
        if known.version is None:
            raise Problem("simio_credentials_external")
        _check_rate(known)
        name = f"rot-{secrets.token_hex(12)}"
        claim = await services.credentials.issue(
            caller.client_id,
            name,
            "rotation",
            overlap=0 if services.auth0 else wanted.overlap_seconds,
            knowledge="",
        )
        await record(services.audit, EventType.CREDENTIAL_OFFERED, caller.audit_data())
        try:
            await services.credentials.write(known.with_claim(claim))
        except Conflict:
            continue
        return await _body(services, caller.client_id, claim)
    raise Problem("simio_unavailable")


async def find_rotation(services: Services, caller: Caller, rotation_id: str) -> RotationBody:
    """Return a rotation of the caller's client; 404 when there is none."""
    claim = (await services.credentials.read(caller.client_id)).claim(rotation_id)
    if claim is None or claim.purpose != "rotation":
        raise Problem("simio_rotation_request_not_found")
    return await _body(services, caller.client_id, claim)


async def claim_credential(services: Services, token: str, request_id: str) -> CredentialBody:
    """Exchange a claim token for a client secret.

    Raises:
        Problem: 404 for a token that is unknown or expired, or a signup's that was used; 410 for a
            rotation's.
    """
    redeemed = await services.credentials.redeem(token, keep=services.auth0 is None)
    if redeemed is None:
        raise Problem("simio_credential_claim_not_found")
    who = AuditData(
        client=redeemed.after.client_id,
        request=request_id,
        tenant=await _tenant(services, redeemed),
    )
    if redeemed.secret is None:
        await record(
            services.audit,
            EventType.CREDENTIAL_REFUSED,
            who.model_copy(update={"outcome": Outcome.REFUSED}),
        )
        spent = redeemed.claim.purpose == "rotation" and redeemed.claim.used is not None
        raise Problem(
            "simio_rotation_claim_already_consumed" if spent else "simio_credential_claim_not_found"
        )
    try:
        await record(services.audit, EventType.CREDENTIAL_CLAIMED, who)
        secret = (
            await services.auth0.rotate_secret(redeemed.after.client_id)
            if services.auth0
            else redeemed.secret
        )
    except (CustodyError, Auth0Error) as error:
        await _take_back(services, redeemed)
        if isinstance(error, Auth0Error):
            _LOG.error("Auth0 gave no secret: %s", error)
            raise Problem("simio_unavailable") from None
        raise
    retiring = [expiry_of(entry) for entry in redeemed.after.hashes[:-1]]
    own = f"{services.settings.public_url}/oauth/token"
    return CredentialBody(
        client_id=redeemed.after.client_id,
        client_secret=secret,
        token_url=services.auth0.settings.token_url if services.auth0 else own,
        audience=services.settings.audience,
        previous_secret_expires_at=datetime.fromtimestamp(retiring[0], UTC) if retiring else None,
    )


async def _tenant(services: Services, redeemed: Redeemed) -> str | None:
    """Return the tenant whose audit events are to show the claim, None while it has none."""
    try:
        return (await services.tenants.of_client(redeemed.after.client_id)).metadata.name
    except Problem:
        return None


async def _take_back(services: Services, redeemed: Redeemed) -> None:
    """Undo a claim that could not be recorded, so that the token works once the audit log does."""
    try:
        now = await services.credentials.read(redeemed.after.client_id)
        if now.claims == redeemed.after.claims and now.hashes == redeemed.after.hashes:
            await services.credentials.write(replace(redeemed.before, version=now.version))
    except (
        ClusterError
    ) as error:  # the secret was shown to nobody; the customer asks for another claim
        _LOG.error("an unrecorded claim could not be taken back: %s", type(error).__name__)


def _check_rate(known: ClientRecord) -> None:
    now = int(time.time())
    issued = sorted(
        claim.issued
        for claim in known.claims
        if claim.purpose == "rotation" and claim.issued > now - DAY
    )
    if len(issued) >= ROTATIONS_A_DAY:
        detail = f"{ROTATIONS_A_DAY} rotations a day: use an open claim token, or ask again later"
        wait = issued[-ROTATIONS_A_DAY] + DAY - now
        raise Problem(
            "simio_rotation_rate_limited", detail, headers={"Retry-After": str(max(1, wait))}
        )


async def _body(services: Services, client_id: str, claim: Claim) -> RotationBody:
    status: Literal["approved", "claimed", "expired"] = "approved" if claim.open else "expired"
    return RotationBody(
        rotation_id=claim.id,
        client_id=client_id,
        status="claimed" if claim.used is not None else status,
        overlap_seconds=claim.overlap,
        credential_claim_token=await services.credentials.token_of(client_id, claim)
        if claim.open
        else None,
        credential_claim_expires_at=datetime.fromtimestamp(claim.expires, UTC)
        if claim.open
        else None,
        claimed_at=datetime.fromtimestamp(claim.used, UTC) if claim.used is not None else None,
    )

"""Credential claims and rotations: a one-time token gives a secret, the previous one retires.

A rotation needs a proof: the present secret, or the operator's approval. A bearer token lives for
an hour and travels with every request, and a console's cookie is sent by its browser. Whoever
steals one must not turn it into a secret, which lives until it is rotated.
"""

import logging
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import SecretStr

from simulacra_api.access.schemas import CredentialBody, RotationBody, RotationRequest
from simulacra_api.auth.client_record import Claim, ClientRecord
from simulacra_api.auth.clients import expiry_of
from simulacra_api.auth.credentials import ATTEMPTS, Redeemed
from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.services import Services
from simulacra_api.tenancy.caller import Caller
from simulacra_crds.auth0 import Auth0Error
from simulacra_crds.kinds.base import ANNOTATION_ROTATION_APPROVED, utcnow
from simulacra_crds.kube.client import CONFIGMAPS, ClusterError, Conflict
from simulacra_crds.names import tenant_namespace
from simulacra_crds.rotation_notice import notice
from simulacra_custody.audit.event import AuditData, EventType, Outcome
from simulacra_custody.errors import CustodyError

ROTATIONS = "credential-rotations"
"""Kind of a rotation in audit records."""
_LOG = logging.getLogger("simulacra_api")


async def _check_proof(services: Services, caller: Caller, secret: SecretStr | None) -> None:
    """Refuse a rotation without the present secret or the operator's approval.

    The use of an approval is recorded, as a wrong secret is.

    Raises:
        Problem: 400 without a proof, and for a wrong secret.
    """
    if secret is None:
        if _is_approved(caller):
            data = caller.audit_data(kind=ROTATIONS)
            return await services.record(EventType.CREDENTIAL_APPROVED, data)
        detail = "client_secret is required. Without it, ask the operator for an approval."
        raise invalid_field("/client_secret", detail)
    if await _is_owner(services, caller.client_id, secret.get_secret_value()):
        return
    refused = caller.audit_data(kind=ROTATIONS, outcome=Outcome.REFUSED)
    await services.record(EventType.CREDENTIAL_REFUSED, refused)
    detail = "client_secret is not current. Send the one that you get tokens with."
    raise invalid_field("/client_secret", detail)


async def _is_owner(services: Services, client_id: str, secret: str) -> bool:
    if services.auth0 is None:
        return await services.clients.is_owner(client_id, secret)
    try:
        return await services.auth0.accepts(client_id, secret)
    except Auth0Error as error:
        _LOG.error("checking a secret at Auth0 failed: %s", error)
        raise Problem("simio_unavailable") from None


def _is_approved(caller: Caller) -> bool:
    text = caller.tenant.metadata.annotations.get(ANNOTATION_ROTATION_APPROVED, "")
    try:
        return utcnow() < datetime.fromisoformat(text)
    except (ValueError, TypeError):  # no time, or one without a zone
        return False


ROTATIONS_PER_DAY = 5
DAY = 86_400
_LOG = logging.getLogger("simulacra_api")


async def request_rotation(
    services: Services, caller: Caller, request: RotationRequest
) -> RotationBody:
    """Begin a rotation of the caller's client.

    Auth0 has no overlap: there the previous secret ends with the claim.

    Raises:
        Problem: 400 without the present secret or the operator's approval; 409 for a client of an
            external issuer; 429 above five a day.
    """
    overlap = 0 if services.auth0 else request.overlap_seconds
    checked = False
    for _ in range(ATTEMPTS):
        known = await services.credentials.read(caller.client_id)
        if known.version is None:
            raise Problem("simio_credentials_external")
        if not checked:
            await _check_proof(services, caller, request.client_secret)
            checked = True
        _check_rate(known)
        claim = await services.credentials.issue(
            caller.client_id,
            f"rot-{secrets.token_hex(12)}",
            "rotation",
            overlap=overlap,
            knowledge="",
            proven=True,
        )
        data = caller.audit_data(kind=ROTATIONS, uid=claim.id)
        await services.record(EventType.CREDENTIAL_OFFERED, data)
        try:
            await services.credentials.write(known.with_claim(claim))
        except Conflict:
            continue
        body = _body(caller.client_id, claim)
        body.credential_claim_token = await services.credentials.token_of(caller.client_id, claim)
        return body
    raise Problem("simio_unavailable")


async def find_rotation(services: Services, caller: Caller, rotation_id: str) -> RotationBody:
    """Return a rotation of the caller's client, without its claim token; 404 when there is none.

    The ids of rotations are in the audit log, which a token alone reads.
    """
    claim = (await services.credentials.read(caller.client_id)).claim(rotation_id)
    if claim is None or claim.purpose != "rotation":
        raise Problem("simio_rotation_request_not_found")
    return _body(caller.client_id, claim)


async def claim_credential(services: Services, token: str, request_id: str) -> CredentialBody:
    """Exchange a claim token for a client secret.

    Raises:
        Problem: 404 for a token that is unknown or expired, and for a used one of a signup; 410 for
            a used one of a rotation.
    """
    redeemed = await services.credentials.redeem(token, keep=services.auth0 is None)
    if redeemed is None:
        raise Problem("simio_credential_claim_not_found")
    client_id = redeemed.after.client_id
    tenant = await _tenant_of(services, client_id)
    data = AuditData(client=client_id, request=request_id, tenant=tenant)
    if redeemed.claim.purpose == "rotation":
        data = data.model_copy(update={"kind": ROTATIONS, "uid": redeemed.claim.id})
    if redeemed.secret is None:
        refused = data.model_copy(update={"outcome": Outcome.REFUSED})
        await services.record(EventType.CREDENTIAL_REFUSED, refused)
        if redeemed.claim.purpose == "rotation" and redeemed.claim.used is not None:
            raise Problem("simio_rotation_claim_already_consumed")
        raise Problem("simio_credential_claim_not_found")
    secret = redeemed.secret
    token_url = f"{services.settings.public_url}/oauth/token"
    try:
        await services.record(EventType.CREDENTIAL_CLAIMED, data)
        if services.auth0:
            secret = await services.auth0.rotate_secret(client_id)
            token_url = services.auth0.settings.token_url
    except CustodyError:
        await _take_back(services, redeemed)
        raise
    except Auth0Error as error:
        await _take_back(services, redeemed)
        _LOG.error("requesting a secret from Auth0 failed: %s", error)
        raise Problem("simio_unavailable") from None
    if redeemed.claim.purpose == "rotation":
        await _notify(services, tenant, client_id, redeemed.claim.id)
    retiring = [expiry_of(entry) for entry in redeemed.after.hashes[:-1]]
    return CredentialBody(
        client_id=client_id,
        client_secret=secret,
        token_url=token_url,
        audience=services.settings.audience,
        previous_secret_expires_at=_time(retiring[0]) if retiring else None,
    )


async def _tenant_of(services: Services, client_id: str) -> str | None:
    """Return the tenant whose audit events include the claim, None while it has none."""
    try:
        return (await services.tenants.of_client(client_id)).metadata.name
    except Problem:
        return None


async def _notify(services: Services, tenant: str | None, client_id: str, rotation_id: str) -> None:
    """Tell the tenant's webhooks of a new secret. It exists already: a fault is logged only."""
    if tenant is None:
        return
    body = notice(tenant, client_id, rotation_id)
    try:
        await services.cluster.create(CONFIGMAPS, body, tenant_namespace(tenant))
    except ClusterError as error:
        _LOG.error("notice of a rotation not written cause=%s", type(error).__name__)


async def _take_back(services: Services, redeemed: Redeemed) -> None:
    """Undo a claim that gave no secret, so that its token works again."""
    try:
        now = await services.credentials.read(redeemed.after.client_id)
        if now.claims == redeemed.after.claims and now.hashes == redeemed.after.hashes:
            await services.credentials.write(replace(redeemed.before, version=now.version))
    except ClusterError as error:
        # Nobody has seen the secret; the customer requests another claim.
        _LOG.error("undoing an unrecorded claim failed cause=%s", type(error).__name__)


def _check_rate(known: ClientRecord) -> None:
    """Refuse (429) a rotation above the limit. Those of a former release without proof are free."""
    now = int(time.time())
    claims = [claim for claim in known.claims if claim.purpose == "rotation" and claim.proven]
    issued = sorted(claim.issued for claim in claims if claim.issued > now - DAY)
    if len(issued) >= ROTATIONS_PER_DAY:
        wait = issued[-ROTATIONS_PER_DAY] + DAY - now
        detail = (
            f"The limit is {ROTATIONS_PER_DAY} rotations per day. "
            "Use an open claim token, or wait as Retry-After says."
        )
        headers = {"Retry-After": str(max(1, wait))}
        raise Problem("simio_rotation_rate_limited", detail, headers=headers)


def _body(client_id: str, claim: Claim) -> RotationBody:
    body = RotationBody(
        rotation_id=claim.id,
        client_id=client_id,
        status="approved" if claim.open else "expired",
        overlap_seconds=claim.overlap,
    )
    if claim.used is not None:
        body.status = "claimed"
        body.claimed_at = _time(claim.used)
    if claim.open:
        body.credential_claim_expires_at = _time(claim.expires)
    return body


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

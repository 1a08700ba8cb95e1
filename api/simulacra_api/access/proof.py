"""Proof for a rotation: the present secret, or the operator's approval.

A bearer token lives for an hour and travels with every request, so it may be stolen. With a token
alone, a rotation adds a secret, and the present one stays valid for longer than any token: its
owner has that time to take the client back. Whatever ends a secret earlier needs a proof.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from pydantic import SecretStr

from simulacra_api.auth.client_record import ClientRecord
from simulacra_api.auth.clients import expiry_of
from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.services import Services
from simulacra_api.tenancy.caller import Caller
from simulacra_crds.auth0 import Auth0Error
from simulacra_crds.kinds.base import ANNOTATION_ROTATION_APPROVED, utcnow
from simulacra_custody.audit.event import EventType, Outcome

ROTATIONS = "credential-rotations"
"""Kind of a rotation in audit records."""
_LOG = logging.getLogger("simulacra_api")


async def is_proven(services: Services, caller: Caller, secret: SecretStr | None) -> bool:
    """Return whether the caller gave the present secret or has the operator's approval.

    Raises:
        Problem: 400 for a wrong secret, which is recorded.
    """
    if secret is None:
        return _is_approved(caller)
    if await _is_owner(services, caller.client_id, secret.get_secret_value()):
        return True
    refused = caller.audit_data(kind=ROTATIONS, outcome=Outcome.REFUSED)
    await services.record(EventType.CREDENTIAL_REFUSED, refused)
    detail = "Not the present secret. Send the one that gets tokens, or one from before an overlap."
    raise invalid_field("/client_secret", detail)


def check_gentle(services: Services, known: ClientRecord, overlap: int) -> None:
    """Refuse (400) a rotation without proof that would end a secret early."""
    if services.auth0 is not None:
        detail = "Required: Auth0 ends the present secret at once. Send the present secret."
        raise invalid_field("/client_secret", detail)
    least = services.settings.token_seconds
    if overlap < least:
        detail = (
            f"Must be {least} or more without client_secret, the lifetime of a token. Send the "
            "present client_secret to end it sooner."
        )
        raise invalid_field("/overlap_seconds", detail)
    if len(known.valid) > 1:
        end = datetime.fromtimestamp(min(map(expiry_of, known.valid)), UTC)
        detail = (
            f"Required while an earlier secret is valid, until {end:%Y-%m-%dT%H:%M:%SZ}. Send that "
            "earlier secret, or wait."
        )
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

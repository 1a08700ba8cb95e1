"""Proof for a rotation: the present secret, or the operator's approval.

A bearer token lives for an hour and travels with every request, and a console's cookie is sent by
its browser. Whoever steals one must not turn it into a secret, which lives until it is rotated.
"""

from __future__ import annotations

import logging
from datetime import datetime

from pydantic import SecretStr

from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.services import Services
from simulacra_api.tenancy.caller import Caller
from simulacra_crds.auth0 import Auth0Error
from simulacra_crds.kinds.base import ANNOTATION_ROTATION_APPROVED, utcnow
from simulacra_custody.audit.event import EventType, Outcome

ROTATIONS = "credential-rotations"
"""Kind of a rotation in audit records."""
_LOG = logging.getLogger("simulacra_api")


async def check_proof(services: Services, caller: Caller, secret: SecretStr | None) -> None:
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

"""Support access: a named person of the operator reads status and audit records of a tenant.

An administrator adds a grant to a Tenant's spec. The operator copies it to status, where it counts:
a later change of the grant has no effect, except that its removal ends the access.
"""

import hashlib

from pydantic import Field

from simulacra_crds.kinds.base import Name, Sha256
from simulacra_schema.base import KubeModel, Timestamp, optional

MAX_HOURS = 72
"""Three days cover a weekend; a longer need is another grant, which the tenant sees."""
MAX_GRANTS = 8
KEPT = 32
"""Entries of status; the audit log has those before."""
TOKEN_PREFIX = "sim_support_"  # noqa: S105 - what secret scanners look for, not a secret
KIND = "support-access"
"""The kind in audit records."""


class SupportGrant(KubeModel):
    """A grant: who may read status, events and audit records of the tenant, why, and how long."""

    id: Name = Field(description="Name of the grant, in each of its audit records.")
    person: str = Field(
        max_length=254,
        pattern=r"^[A-Za-z0-9][!-~]*$",
        description="E-mail address or subject of the person; the tenant sees it.",
    )
    reason: str = Field(min_length=1, max_length=500, description="Why; the tenant sees it.")
    hours: int = Field(ge=1, le=MAX_HOURS, description="How long, 1 to 72 hours.")
    token_sha256: Sha256 = Field(description="SHA-256 (hex) of the person's token.")

    @property
    def subject(self) -> str:
        """The person in audit records, which are never erased: a digest, not the address."""
        return f"support:{hashlib.sha256(self.person.lower().encode()).hexdigest()[:16]}"


class SupportAccess(SupportGrant):
    """A grant as it was opened. It gives access once its begin is recorded, until it ends."""

    opened_at: Timestamp = Field(description="When the operator opened it.")
    ends_at: Timestamp = Field(description="When it ends by itself.")
    ended_at: Timestamp | None = optional("When it ended.")
    recorded: bool = Field(
        default=False, description="Whether its begin, or its end, is in the audit log."
    )

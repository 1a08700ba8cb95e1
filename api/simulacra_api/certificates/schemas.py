"""Bodies of erasure certificates."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from simulacra_api.http.pagination import Page


class CertificateItem(BaseModel):
    """A certificate in a list; GET it for its statement."""

    resource_id: str
    uid: str = Field(description="Identifies the resource for ever: an id can be used again.")
    issued_at: datetime


class CertificateList(Page):
    """The tenant's certificates, newest first."""

    items: list[CertificateItem]


class CertificateBody(CertificateItem):
    """A certificate: what was erased, and the signature."""

    statement: dict[str, Any] = Field(description="Payload of `signature`, readable for people.")
    signature: str = Field(
        description="The statement as JSON Web Signature (RFC 7515, compact, Ed25519)."
    )

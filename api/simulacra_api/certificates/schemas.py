"""Bodies of erasure certificates."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from simulacra_api.http.pagination import Page
from simulacra_schema.base import optional


class CertificateItem(BaseModel):
    """A certificate in a list; GET it for its statement."""

    resource_id: str
    uid: str = Field(description="Identifies the resource for ever: an id can be used again.")
    issued_at: datetime


class CertificateList(Page):
    """The tenant's certificates, newest first."""

    items: list[CertificateItem]


class LiveKeysBody(BaseModel):
    """The newest signed root of the live data keys."""

    statement: dict[str, Any] = Field(description="Payload of `signature`, readable for people.")
    signature: str = Field(
        description="The statement as JSON Web Signature (RFC 7515, compact, Ed25519)."
    )


class LiveNeighbor(BaseModel):
    """A live key's hash next to the place where the erased key's hash would be."""

    index: int = Field(description="Position among the sorted leaves, from 0.")
    leaf: str = Field(description="The hash (hex). It names no resource.")
    path: list[str] = Field(description="Its inclusion proof (RFC 6962): siblings up to the root.")


class AbsenceProof(BaseModel):
    """Proof that a root signed after the erasure does not include the erased key."""

    root: LiveKeysBody
    neighbors: list[LiveNeighbor] = Field(
        description="Two leaves between which the key's hash would be, or the first or last one."
    )


class CertificateBody(CertificateItem):
    """A certificate: what was erased, and the signature."""

    statement: dict[str, Any] = Field(description="Payload of `signature`, readable for people.")
    signature: str = Field(
        description="The statement as JSON Web Signature (RFC 7515, compact, Ed25519)."
    )
    absence_proof: AbsenceProof | None = optional(
        "Under the newest root; null until one is signed after the erasure."
    )

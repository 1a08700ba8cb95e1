"""Record of a client: its hashes, claims and watermark, and what the use of a claim changes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from simulacra_api.auth.clients import expiry_of, trusted_entries, valid_entries
from simulacra_crds.kube.client import Object

Purpose = Literal["signup", "rotation"]
KEPT_CLAIMS = 16
SPENT_SECONDS = 60
"""How long a spent id is kept after its expiry: longer than the leeway of the clocks."""


@dataclass(frozen=True)
class Claim:
    """The record of a claim token. Times are seconds since the epoch.

    Attributes:
        id: name of the claim, not secret.
        purpose: what it was issued for.
        sha256: digest (hex) of the token.
        overlap: seconds that the earlier secret stays valid once it is used.
        used: when it was used, None before.
        proven: whether who asked for it knew the present secret, or the operator approved.
    """

    id: str
    purpose: Purpose
    sha256: str
    issued: int
    expires: int
    overlap: int = 0
    used: int | None = None
    proven: bool = False

    @property
    def open(self) -> bool:
        """Whether it can still be used."""
        return self.used is None and time.time() < self.expires


@dataclass(frozen=True)
class ClientRecord:
    """Content of a client's Secret.

    Attributes:
        version: resourceVersion that guards the next write; None: there is no Secret yet.
        hashes: hashes of active secrets, with creation and expiry.
        claims: the newest claims.
        owners: the Secret's ownerReferences.
        revoked_before: tokens issued before this time (seconds since the epoch) are refused.
        spent: ids of used login codes and ended sessions -> when they expire anyway.
    """

    client_id: str
    version: str | None
    hashes: list[dict[str, Any]]
    claims: list[Claim]
    owners: list[Object] = field(default_factory=list)
    revoked_before: int = 0
    spent: dict[str, int] = field(default_factory=dict)

    @property
    def valid(self) -> list[dict[str, Any]]:
        """The hashes that have not expired, the oldest first; two at most."""
        return valid_entries(self.hashes)

    def claim(self, claim_id: str) -> Claim | None:
        """Return a claim by its id."""
        return next((claim for claim in self.claims if claim.id == claim_id), None)

    def with_claim(self, claim: Claim) -> ClientRecord:
        """Return the record with a claim added or replaced by id; the oldest are dropped."""
        others = [one for one in self.claims if one.id != claim.id]
        return replace(self, claims=[*others, claim][-KEPT_CLAIMS:])

    def with_spent(self, token_id: str, expires: int) -> ClientRecord:
        """Return the record with this id spent, without those that have expired by themselves."""
        now = time.time()
        kept = {one: end for one, end in self.spent.items() if end + SPENT_SECONDS > now}
        return replace(self, spent={**kept, token_id: expires})

    def permits(self, claim: Claim) -> bool:
        """Return whether a claim may be used. A former release issued rotations without proof."""
        return claim.purpose == "signup" or claim.proven

    def after_use(self, claim: Claim, now: int) -> ClientRecord:
        """Return the record with this claim used; other open rotations end with it."""
        claims = [
            replace(one, expires=now) if one.purpose == "rotation" and one.open else one
            for one in self.claims
        ]
        revoked = now + 1 if claim.purpose == "rotation" and not claim.overlap else 0
        watermark = max(self.revoked_before, revoked)
        closed = replace(self, claims=claims, revoked_before=watermark)
        return closed.with_claim(replace(claim, used=now))

    def with_secret(self, hashed: str, claim: Claim, now: int) -> ClientRecord:
        """Return the record with a new secret; one earlier secret stays for the overlap."""
        trusted = trusted_entries(self.valid)
        retiring = trusted[-1:] if claim.overlap else []
        end = now + claim.overlap
        kept = [one | {"expires": min(expiry_of(one), end), "unproven": False} for one in retiring]
        return replace(self, hashes=[*kept, {"hash": hashed, "created": now}])

"""What a client authenticates with, and the one-time claims that lead to it: one Secret a client.

Secret `client-<client_id>` in the system namespace holds `hashes` (argon2id, two active at most)
and `claims` (the SHA-256 of each claim token, when it was issued, when it expires, when it was
used). Both are in one object so that a claim is one conditional write: of two callers with the same
token exactly one gets the secret, and no crash can use a token up without its hash being stored.
Claim tokens are derived, not stored; see ADR 0007.

The Secret is owned by the Tenants that list the client: when the last of them is deleted, the API
server's garbage collector takes it along, and nobody needs a right to delete Secrets for that.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from simulacra_api.auth.clients import CLIENT_ID, expiry_of, secret_name
from simulacra_api.auth.secrets import hash_secret, new_secret
from simulacra_api.auth.signing import SigningKeyStore
from simulacra_api.auth.tenant_lookup import Tenants
from simulacra_crds.contract.names import system_namespace
from simulacra_crds.kinds.base import API_VERSION, LABEL_KIND
from simulacra_crds.kinds.tenant import Tenant
from simulacra_crds.kube.client import (
    SECRETS,
    AlreadyExists,
    Cluster,
    ClusterError,
    Conflict,
    NotFound,
    Object,
)

Purpose = Literal["signup", "rotation"]
TOKEN_PREFIX = "sim_claim_"  # noqa: S105 - what secret scanners look for, not a secret
CLAIM_SECONDS = 3600
"""A claim token is good for so long after it was issued."""
KEPT_CLAIMS = 16
ATTEMPTS = 10
_OWNER = {"apiVersion": API_VERSION, "kind": "Tenant"}
_ANY_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_BEARER_LENGTH = 43  # 256 bits in base64url


@dataclass(frozen=True)
class Claim:
    """The record of a claim token. Times are seconds since the epoch.

    Attributes:
        id: names the claim; no secret.
        purpose: what it came from.
        sha256: digest (hex) of the token.
        issued: when it was issued.
        expires: when it becomes worthless.
        overlap: seconds that the secrets before stay good once it is used.
        used: when it was used, None before.
    """

    id: str
    purpose: Purpose
    sha256: str
    issued: int
    expires: int
    overlap: int = 0
    used: int | None = None

    @property
    def open(self) -> bool:
        """Whether it can still be used."""
        return self.used is None and time.time() < self.expires


@dataclass(frozen=True)
class ClientRecord:
    """What a client's Secret says. `version` guards the next write; None: there is no Secret yet.

    `owners` are its ownerReferences.
    """

    client_id: str
    version: str | None
    hashes: list[dict[str, Any]]
    claims: list[Claim]
    owners: list[Object] = field(default_factory=list)

    def claim(self, claim_id: str) -> Claim | None:
        """Return a claim by its id."""
        return next((claim for claim in self.claims if claim.id == claim_id), None)

    def with_claim(self, claim: Claim) -> ClientRecord:
        """Return the record with a claim added, or in the place of the one with its id; old ones are dropped."""
        others = [one for one in self.claims if one.id != claim.id]
        return replace(self, claims=[*others, claim][-KEPT_CLAIMS:])


class Credentials:
    """Reads and writes the clients' Secrets. Raises ClusterError."""

    def __init__(self, cluster: Cluster, signing: SigningKeyStore, tenants: Tenants) -> None:
        self._cluster, self._signing, self._tenants = cluster, signing, tenants

    async def read(self, client_id: str) -> ClientRecord:
        """Return a client's record, an empty one when it has no Secret."""
        found = await self._cluster.find(SECRETS, _record_name(client_id), system_namespace())
        if found is None:
            return ClientRecord(client_id, None, [], [])
        data = found.get("data") or {}
        claims = [Claim(**claim) for claim in _json(data, "claims")]
        meta = found["metadata"]
        owners = meta.get("ownerReferences") or []
        return ClientRecord(
            client_id, meta["resourceVersion"], _json(data, "hashes"), claims, owners
        )

    async def write(self, record: ClientRecord) -> None:
        """Store a record if it is still as it was read; Conflict otherwise."""
        texts = {
            "hashes": json.dumps(record.hashes),
            "claims": json.dumps([asdict(one) for one in record.claims]),
        }
        data = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        name, owners = _record_name(record.client_id), await self._owners(record)
        if record.version is None:
            body: Object = {"apiVersion": "v1", "kind": "Secret", "data": data}
            body["metadata"] = {
                "name": name,
                "labels": {LABEL_KIND: "client"},
                "ownerReferences": owners,
            }
            try:
                await self._cluster.create(SECRETS, body, system_namespace())
            except AlreadyExists as error:
                raise Conflict(error.status, error.reason, "another process was first") from None
            return
        meta: Object = {"resourceVersion": record.version}
        try:
            if owners != record.owners and await self._adopted(
                name, {**meta, "ownerReferences": owners}, data
            ):
                return
            await self._cluster.patch(
                SECRETS, name, {"metadata": meta, "data": data}, system_namespace()
            )
        except NotFound as error:
            raise Conflict(error.status, error.reason, "the client was removed meanwhile") from None

    async def _adopted(self, name: str, meta: Object, data: Object) -> bool:
        """Write a record together with its owners; False where admission wants the right to delete
        for that.

        (OwnerReferencesPermissionEnforcement; not for a Secret that is being made.)
        """
        try:
            await self._cluster.patch(
                SECRETS, name, {"metadata": meta, "data": data}, system_namespace()
            )
        except ClusterError as error:
            if error.status == 403:
                return False
            raise
        return True

    async def _owners(self, record: ClientRecord) -> list[Object]:
        """Return the ownerReferences that a client's Secret is to have: those that it has where no Tenant lists it."""
        listing = await self._tenants.listing(record.client_id)
        others = [one for one in record.owners if not _OWNER.items() <= one.items()]
        return [*others, *map(owner_of, listing)] if listing else record.owners

    async def token_of(self, client_id: str, claim: Claim, knowledge: str = "") -> str:
        """Return the token of a claim; `knowledge` is what only the customer knows (the request id of a signup)."""
        key = (await self._signing.current()).link_key
        text = "\x1f".join(
            ("claim", client_id, claim.id, claim.purpose, knowledge, str(claim.issued))
        )
        bearer = (
            base64.urlsafe_b64encode(hmac.digest(key, text.encode(), hashlib.sha256))
            .decode()
            .rstrip("=")
        )
        return f"{TOKEN_PREFIX}{client_id}_{bearer}"

    async def issue(
        self, client_id: str, claim_id: str, purpose: Purpose, *, overlap: int, knowledge: str
    ) -> Claim:
        """Return a new claim, good from now on; the caller stores it."""
        now = int(time.time())
        draft = Claim(claim_id, purpose, "", now, now + CLAIM_SECONDS, overlap)
        return replace(draft, sha256=digest_of(await self.token_of(client_id, draft, knowledge)))

    async def redeem(self, token: str, *, keep: bool = True) -> Redeemed | None:
        """Use a claim token up; None when it is unknown. One that was used or has expired gives no
        secret.

        One conditional write decides. The secret is in the return value and nowhere else. Without
        `keep` the claim is used up all the same, but no hash is stored: the secret is another
        issuer's to give.
        """
        client_id = client_of_token(token)
        if client_id is None:
            return None
        secret = new_secret()
        entry: dict[str, Any] | None = None
        for _ in range(ATTEMPTS):
            before = await self.read(client_id)
            claim = next(
                (one for one in before.claims if hmac.compare_digest(one.sha256, digest_of(token))),
                None,
            )
            if claim is None:
                return None
            if not claim.open:
                return Redeemed(before, before, claim, None)
            hashed = entry["hash"] if entry else await asyncio.to_thread(hash_secret, secret)
            now = int(time.time())
            entry = {"hash": hashed, "created": now}
            used = replace(claim, used=now)
            after = before.with_claim(used)
            if keep:
                after = replace(
                    after, hashes=[*_retiring(before.hashes, now, claim.overlap), entry]
                )
            try:
                await self.write(after)
            except Conflict:
                continue
            return Redeemed(before, after, used, secret)
        raise Conflict(409, "Conflict", "the client's record keeps changing")


@dataclass(frozen=True)
class Redeemed:
    """What became of a claim token: `secret` is None when it had been used or has expired."""

    before: ClientRecord
    after: ClientRecord
    claim: Claim
    secret: str | None

    def __repr__(self) -> str:
        """Leave the secret out, wherever this is printed."""
        return f"Redeemed({self.claim.id})"


def owner_of(tenant: Tenant) -> Object:
    """Return the ownerReference by which a client's Secret goes with its Tenant."""
    return {**_OWNER, "name": tenant.metadata.name, "uid": tenant.metadata.uid}


def digest_of(token: str) -> str:
    """Return the SHA-256 (hex) of a token, all that is stored of it."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def client_of_token(token: str) -> str | None:
    """Return the client id in a claim token, None when it is none."""
    body = token.removeprefix(TOKEN_PREFIX)
    client_id, separator = body[: -_BEARER_LENGTH - 1], body[-_BEARER_LENGTH - 1 : -_BEARER_LENGTH]
    return (
        client_id
        if body != token and separator == "_" and _ANY_CLIENT.fullmatch(client_id)
        else None
    )


def _record_name(client_id: str) -> str:
    """Return the name of a client's Secret; an id of another issuer that is no lawful name is digested."""
    if CLIENT_ID.fullmatch(client_id):
        return secret_name(client_id)
    return secret_name(f"x-{hashlib.sha256(client_id.encode()).hexdigest()[:40]}")


def _retiring(hashes: list[dict[str, Any]], now: int, overlap: int) -> list[dict[str, Any]]:
    """Return what stays of the hashes before: the newest good one, until the overlap ends."""
    good = [entry for entry in hashes if expiry_of(entry) > now]
    return (
        [good[-1] | {"expires": min(expiry_of(good[-1]), now + overlap)}]
        if good and overlap
        else []
    )


def _json(data: Object, name: str) -> list[Any]:
    return list(json.loads(base64.b64decode(data.get(name, "") or b"W10=")))

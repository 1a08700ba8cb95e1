"""Credentials of clients and the one-time claims that lead to them: one Secret per client.

Secret `client-<client_id>` in the clients' namespace holds `hashes` (argon2id, two active at most),
`claims` (the SHA-256 of each claim token, when it was issued, when it expires, when it was used),
`revoked-before` (tokens issued before it are refused) and `spent` (used login codes and ended
sessions). All are in one object so that a claim is one conditional write: of two callers with the
same token exactly one gets the secret, and no crash can use a token up without storing its hash.
Claim tokens are derived, not stored; see ADR 0007.

The Secret is owned by the Tenants that list the client: when the last of them is deleted, the
garbage collector deletes it, and this service needs no right to delete Secrets.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from dataclasses import asdict, dataclass, replace

from simulacra_api.auth.client_record import SPENT_SECONDS, Claim, ClientRecord, Purpose
from simulacra_api.auth.clients import (
    SPENT,
    WATERMARK,
    hash_secret,
    new_secret,
    record_name,
    stored_list,
    watermark_of,
)
from simulacra_api.auth.login_codes import CODE_PREFIX
from simulacra_api.auth.signing import SigningKeyStore
from simulacra_api.auth.tenant_lookup import Tenants
from simulacra_api.http.problems import Problem
from simulacra_crds.kinds.base import API_VERSION, LABEL_KIND
from simulacra_crds.kinds.tenant import Tenant
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Cluster, Object
from simulacra_crds.names import clients_namespace

TOKEN_PREFIX = "sim_claim_"  # noqa: S105 - what secret scanners look for, not a secret
CLAIM_SECONDS = 3600
"""Lifetime of a claim token."""
ATTEMPTS = 10
MAX_CODES = 256
"""Used login codes of a client that have not expired: they do so within minutes."""
MAX_SESSIONS = 1024
"""Ended sessions of a client that have not expired: they do so within hours."""
_OWNER = {"apiVersion": API_VERSION, "kind": "Tenant"}
_ANY_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_BEARER_LENGTH = 43  # 256 bits in base64url


class Credentials:
    """Reads and writes the clients' Secrets. Raises ClusterError."""

    def __init__(self, cluster: Cluster, signing: SigningKeyStore, tenants: Tenants) -> None:
        self._cluster, self._signing, self._tenants = cluster, signing, tenants

    async def read(self, client_id: str) -> ClientRecord:
        """Return a client's record, an empty one when it has no Secret."""
        found = await self._cluster.find(kube.SECRETS, record_name(client_id), clients_namespace())
        if found is None:
            return ClientRecord(client_id, None, [], [])
        data, metadata = found.get("data"), found["metadata"]
        return ClientRecord(
            client_id,
            metadata["resourceVersion"],
            hashes=stored_list(data, "hashes"),
            claims=[Claim(**claim) for claim in stored_list(data, "claims")],
            owners=metadata.get("ownerReferences") or [],
            revoked_before=watermark_of(data),
            spent={str(one): int(end) for one, end in stored_list(data, SPENT)},
        )

    async def write(self, record: ClientRecord) -> None:
        """Store a record if it is still as it was read; Conflict otherwise."""
        claims = [asdict(one) for one in record.claims]
        # Without what is false, a process of the version before reads the claim, too.
        kept = [{key: value for key, value in one.items() if value} for one in claims]
        values = {
            "hashes": record.hashes,
            "claims": kept,
            WATERMARK: record.revoked_before,
            SPENT: list(record.spent.items()),
        }
        data = {name: _encode(json.dumps(value).encode()) for name, value in values.items()}
        name, owners = record_name(record.client_id), await self._owners(record)
        if record.version is None:
            await self._create(name, data, owners)
            return
        metadata: Object = {"resourceVersion": record.version}
        try:
            if owners != record.owners:
                try:
                    await self._patch(name, metadata | {"ownerReferences": owners}, data)
                    return
                except kube.ClusterError as error:
                    # OwnerReferencesPermissionEnforcement wants the right to delete the Secret.
                    if error.status != 403:
                        raise
            await self._patch(name, metadata, data)
        except kube.NotFound as error:
            raise kube.Conflict(
                error.status, error.reason, "the client was removed meanwhile"
            ) from None

    async def _create(self, name: str, data: Object, owners: list[Object]) -> None:
        metadata = {"name": name, "labels": {LABEL_KIND: "client"}, "ownerReferences": owners}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
        try:
            await self._cluster.create(kube.SECRETS, body, clients_namespace())
        except kube.AlreadyExists as error:
            raise kube.Conflict(error.status, error.reason, "another process was first") from None

    async def _patch(self, name: str, metadata: Object, data: Object) -> None:
        patch = {"metadata": metadata, "data": data}
        await self._cluster.patch(kube.SECRETS, name, patch, clients_namespace())

    async def _owners(self, record: ClientRecord) -> list[Object]:
        """Return the wanted ownerReferences; the present ones when no Tenant lists the client."""
        listing = await self._tenants.listing(record.client_id)
        others = [one for one in record.owners if not _OWNER.items() <= one.items()]
        return [*others, *map(owner_of, listing)] if listing else record.owners

    async def token_of(self, client_id: str, claim: Claim, knowledge: str = "") -> str:
        """Return the token of a claim; `knowledge` is known to the customer only (a request id)."""
        key = (await self._signing.current()).link_key
        parts = ("claim", client_id, claim.id, claim.purpose, knowledge, str(claim.issued))
        digest = hmac.digest(key, "\x1f".join(parts).encode(), hashlib.sha256)
        bearer = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return f"{TOKEN_PREFIX}{client_id}_{bearer}"

    async def issue(
        self,
        client_id: str,
        claim_id: str,
        purpose: Purpose,
        *,
        overlap: int,
        knowledge: str,
        proven: bool = False,
    ) -> Claim:
        """Return a new claim, valid from now on; the caller stores it."""
        now = int(time.time())
        end = now + CLAIM_SECONDS
        draft = Claim(claim_id, purpose, "", now, end, overlap, proven=proven)
        return replace(draft, sha256=digest_of(await self.token_of(client_id, draft, knowledge)))

    async def redeem(self, token: str, *, keep: bool = True) -> Redeemed | None:
        """Use a claim token up and return its secret; None for an unknown token.

        A used or expired token gives no secret. One conditional write decides. The secret is in the
        return value and nowhere else. Without `keep` no hash is stored, because another issuer
        gives the secret.
        """
        client_id = client_of_token(token)
        if client_id is None:
            return None
        digest = digest_of(token)
        secret = new_secret()
        hashed = ""
        for _ in range(ATTEMPTS):
            before = await self.read(client_id)
            matching = (one for one in before.claims if hmac.compare_digest(one.sha256, digest))
            claim = next(matching, None)
            if claim is None:
                return None
            if not claim.open or not before.permits(claim):
                return Redeemed(before, before, claim, None)
            hashed = hashed or await asyncio.to_thread(hash_secret, secret)
            now = int(time.time())
            after = before.after_use(claim, now)
            if keep:
                after = after.with_secret(hashed, claim, now)
            try:
                await self.write(after)
            except kube.Conflict:
                continue
            return Redeemed(before, after, replace(claim, used=now), secret)
        raise kube.Conflict(409, "Conflict", "the client's record keeps changing")

    async def spend(self, client_id: str, token_id: str, expires: int) -> bool:
        """Use up what can be used once; False if it was. One conditional write decides.

        Raises:
            Problem: 429 above MAX_CODES or MAX_SESSIONS, within the lifetime of what was spent.
        """
        is_code = _is_code(token_id)
        limit = MAX_CODES if is_code else MAX_SESSIONS
        for _ in range(ATTEMPTS):
            before = await self.read(client_id)
            if token_id in before.spent:
                return False
            after = before.with_spent(token_id, expires)
            # Codes and sessions count apart: ended sessions last, and must not stop a sign-in.
            alike = [end for one, end in after.spent.items() if is_code == _is_code(one)]
            if len(alike) > limit:
                left = int(min(alike) + SPENT_SECONDS - time.time()) + 1
                what = "sign-ins" if is_code else "sign-outs"
                detail = f"Too many {what} of this client. Wait {left} s."
                raise Problem("simio_rate_limited", detail, headers={"Retry-After": f"{left}"})
            try:
                await self.write(after)
            except kube.Conflict:
                continue
            return True
        raise kube.Conflict(409, "Conflict", "the client's record keeps changing")


@dataclass(frozen=True)
class Redeemed:
    """Result of redeeming a claim token; `secret` is None for a used or expired one."""

    before: ClientRecord
    after: ClientRecord
    claim: Claim
    secret: str | None

    def __repr__(self) -> str:
        """Leave the secret out of logs and errors."""
        return f"Redeemed({self.claim.id})"


def owner_of(tenant: Tenant) -> Object:
    """Return the ownerReference that deletes a client's Secret with its Tenant."""
    return {**_OWNER, "name": tenant.metadata.name, "uid": tenant.metadata.uid}


def digest_of(token: str) -> str:
    """Return the SHA-256 (hex) of a token, the only stored part of it."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def client_of_token(token: str) -> str | None:
    """Return the client id in a claim token, None for a malformed token."""
    body = token.removeprefix(TOKEN_PREFIX)
    client_id, separator = body[: -_BEARER_LENGTH - 1], body[-_BEARER_LENGTH - 1 : -_BEARER_LENGTH]
    valid = body != token and separator == "_" and _ANY_CLIENT.fullmatch(client_id)
    return client_id if valid else None


def _is_code(spent_id: str) -> bool:
    return spent_id.startswith(CODE_PREFIX)


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()

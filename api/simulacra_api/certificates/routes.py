"""Erasure certificates of a tenant, and the keys, checkpoint and root that verify them."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from simulacra_api.certificates.schemas import (
    AbsenceProof,
    CertificateBody,
    CertificateItem,
    CertificateList,
    LiveKeysBody,
)
from simulacra_api.dependencies import CurrentTenant, TenantRoute, problems
from simulacra_api.http.pagination import ListQuery, SortKey, cursor_of, link_next
from simulacra_api.http.problems import Problem
from simulacra_api.services import ServicesDep
from simulacra_custody.audit.certificates import CertificateEntry, statement_of
from simulacra_custody.audit.checkpoints import newest_checkpoint
from simulacra_custody.audit.live_keys import PublishedLiveKeys, root_document
from simulacra_custody.errors import CustodyError

_LOG = logging.getLogger("simulacra_api")


async def _absence_proof(
    live_keys: PublishedLiveKeys, statement: dict[str, Any]
) -> AbsenceProof | None:
    """Return the proof; None while there is none, so that the certificate is readable anyhow."""
    try:
        proof = await asyncio.to_thread(live_keys.proof, statement)
    except CustodyError as error:
        _LOG.warning("absence proof failed: %s", type(error).__name__)
        return None
    return None if proof is None else AbsenceProof.model_validate(proof)


def _shown(entry: CertificateEntry) -> dict[str, Any]:
    issued = datetime.fromtimestamp(entry.issued, UTC).replace(microsecond=0)
    return {"resource_id": entry.id, "uid": entry.uid, "issued_at": issued}


def _sort_key(entry: CertificateEntry) -> SortKey:
    return int(entry.issued * 1e6), entry.id, entry.uid


router = APIRouter(tags=["proofs"], route_class=TenantRoute)


@router.get(
    "/v1/erasure-certificates",
    operation_id="listErasureCertificates",
    summary="List erasure certificates",
    responses=problems(400),
)
async def list_certificates(
    repository: CurrentTenant, response: Response, query: Annotated[ListQuery, Query()]
) -> CertificateList:
    """One per resource that was deleted or expired in the last 400 days, newest first."""
    tenant_uid = repository.caller.tenant.metadata.uid
    rest = await asyncio.to_thread(repository.services.certificates.entries, tenant_uid)
    if query.after is not None:
        rest = [entry for entry in rest if _sort_key(entry) < query.after]
    page = rest[: query.limit]
    cursor = cursor_of(_sort_key(page[-1])) if len(rest) > query.limit else None
    items = [CertificateItem(**_shown(entry)) for entry in page]
    link_next(response, repository.url("/v1/erasure-certificates"), query, cursor)
    return CertificateList(items=items, next_cursor=cursor)


@router.get(
    "/v1/erasure-certificates/{resource_id}",
    operation_id="getErasureCertificate",
    summary="Get an erasure certificate",
    responses=problems(404),
)
async def get_certificate(resource_id: str, repository: CurrentTenant) -> CertificateBody:
    """By id or uid of the resource; 404 until all of it is erased and verified absent."""
    certificates = repository.services.certificates
    tenant_uid = repository.caller.tenant.metadata.uid
    entry = await asyncio.to_thread(certificates.find, tenant_uid, resource_id)
    if entry is None:
        raise Problem("simio_certificate_not_found")
    signed = await asyncio.to_thread(certificates.read, tenant_uid, entry)
    statement = statement_of(signed)
    proof = await _absence_proof(repository.services.live_keys, statement)
    return CertificateBody(
        **_shown(entry), statement=statement, signature=signed, absence_proof=proof
    )


@router.get(
    "/.well-known/simulacra-keys.json",
    operation_id="getInstallationKeys",
    summary="Get the keys that verify certificates and checkpoints",
)
async def keys(services: ServicesDep, response: Response) -> dict[str, Any]:
    """A JSON Web Key Set; `audit_log` is the verifier key of checkpoints (C2SP signed-note)."""
    response.headers["Cache-Control"] = "public, max-age=60"
    return await services.published_keys()


@router.get(
    "/.well-known/simulacra-checkpoint",
    operation_id="getAuditCheckpoint",
    summary="Get the newest checkpoint of the audit log",
    response_class=Response,
    responses=problems() | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def checkpoint(services: ServicesDep) -> Response:
    """A signed note (C2SP tlog-checkpoint).

    Keep one: it proves later if the log was truncated or rewritten.
    """
    note = await asyncio.to_thread(newest_checkpoint, services.audit.store)
    if note is None:
        detail = "No checkpoint has been signed yet. Try again as Retry-After says."
        raise Problem("simio_unavailable", detail, headers={"Retry-After": "60"})
    headers = {"Cache-Control": "public, max-age=10"}
    return Response(note, media_type="text/plain; charset=utf-8", headers=headers)


@router.get(
    "/.well-known/simulacra-live-keys.json",
    operation_id="getLiveKeysRoot",
    summary="Get the newest signed root of the live data keys",
    responses=problems(),
)
async def live_keys(services: ServicesDep, response: Response) -> LiveKeysBody:
    """A Merkle root (RFC 6962) over hashes of all live keys; absence proofs are made under it.

    The hashes have a new nonce in each root, so neither root nor proofs name a resource.
    """
    newest = await asyncio.to_thread(services.live_keys.newest)
    if newest is None:
        detail = "No root of the live keys has been signed yet. Try again as Retry-After says."
        raise Problem("simio_unavailable", detail, headers={"Retry-After": "60"})
    response.headers["Cache-Control"] = "public, max-age=10"
    signed, live = newest
    return LiveKeysBody(**root_document(live.stated, signed))

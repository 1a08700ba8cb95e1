"""Routes of erasure certificates, and of the keys, checkpoint and root that verify them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from simulacra_api.certificates.schemas import CertificateBody, CertificateList, LiveKeysBody
from simulacra_api.certificates.service import (
    certificate_of,
    certificate_page,
    newest_root,
    published_keys,
)
from simulacra_api.dependencies import CurrentTenant, TenantRoute, problems
from simulacra_api.http.pagination import ListQuery, link_next
from simulacra_api.http.problems import Problem
from simulacra_api.services import ServicesDep
from simulacra_custody.audit.checkpoints import newest_checkpoint

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
    page = await certificate_page(repository, query)
    link_next(response, repository.url("/v1/erasure-certificates"), query, page.next_cursor)
    return page


@router.get(
    "/v1/erasure-certificates/{resource_id}",
    operation_id="getErasureCertificate",
    summary="Get an erasure certificate",
    responses=problems(404),
)
async def get_certificate(resource_id: str, repository: CurrentTenant) -> CertificateBody:
    """By id or uid of the resource; 404 until all of it is erased and verified absent."""
    return await certificate_of(repository, resource_id)


@router.get(
    "/.well-known/simulacra-keys.json",
    operation_id="getInstallationKeys",
    summary="Get the keys that verify certificates and checkpoints",
)
async def keys(services: ServicesDep, response: Response) -> dict[str, Any]:
    """A JSON Web Key Set; `audit_log` is the verifier key of checkpoints (C2SP signed-note)."""
    response.headers["Cache-Control"] = "public, max-age=60"
    return await published_keys(services.cluster)


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
    response.headers["Cache-Control"] = "public, max-age=10"
    return await newest_root(services.live_keys)

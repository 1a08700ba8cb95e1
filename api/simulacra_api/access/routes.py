"""Access: ask for it, claim the credentials once, rotate them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from simulacra_api.access.rotation import (
    ClaimRequest,
    CredentialBody,
    RotationBody,
    RotationRequest,
    claim_credential,
    find_rotation,
    request_rotation,
)
from simulacra_api.access.service import SignupBody, SignupRequest, Signups
from simulacra_api.dependencies import CurrentTenant, problems
from simulacra_api.services import ServicesDep

router = APIRouter(prefix="/v1", tags=["access"])


@router.post(
    "/signup",
    status_code=202,
    operation_id="requestAccess",
    summary="Ask for access",
    responses=problems(400, 413, 415, 429),
)
async def request_access(
    asked: SignupRequest, request: Request, response: Response, services: ServicesDep
) -> SignupBody:
    """No token needed. A person decides; poll Location. Keep `request_id` secret: it leads to the credentials."""
    address = request.client.host if request.client else ""
    body = await Signups(services).ask(asked, address, request.state.request_id)
    location = f"{services.settings.public_url}/v1/signup/{body.request_id}"
    response.headers.update({"Location": location, "Retry-After": "60"})
    return body


@router.get(
    "/signup/{request_id}",
    operation_id="getAccessRequest",
    summary="Poll a request for access",
    responses=problems(404),
)
async def get_access_request(
    request_id: str, request: Request, response: Response, services: ServicesDep
) -> SignupBody:
    """Once approved: the client id, and a claim token that is good for one hour and one use."""
    body = await Signups(services).look(request_id, request.state.request_id)
    if body.status == "pending":
        response.headers["Retry-After"] = "60"
    return body


@router.post(
    "/credential-claims",
    status_code=201,
    operation_id="claimCredential",
    summary="Exchange a claim token for a client secret",
    responses=problems(400, 404, 410, 413, 415),
)
async def create_credential_claim(
    claim: ClaimRequest, request: Request, services: ServicesDep
) -> CredentialBody:
    """No other token needed. The secret is shown this once; of two callers with the same token one gets it."""
    return await claim_credential(services, claim.credential_claim_token, request.state.request_id)


@router.post(
    "/credential-rotations",
    status_code=201,
    operation_id="requestCredentialRotation",
    summary="Rotate the client's secret",
    responses=problems(400, 409, 413, 415, 429),
)
async def create_rotation(
    repository: CurrentTenant,
    response: Response,
    wanted: Annotated[RotationRequest | None, Body()] = None,
) -> RotationBody:
    """Nothing changes until the claim token is exchanged; then the secret before stays good for the overlap."""
    body = await request_rotation(
        repository.services, repository.caller, wanted or RotationRequest()
    )
    response.headers["Location"] = (
        f"{repository.services.settings.public_url}/v1/credential-rotations/{body.rotation_id}"
    )
    return body


@router.get(
    "/credential-rotations/{rotation_id}",
    operation_id="getCredentialRotation",
    summary="Get a rotation",
    responses=problems(404),
)
async def get_rotation(rotation_id: str, repository: CurrentTenant) -> RotationBody:
    """Its state, and the claim token as long as that can be used."""
    return await find_rotation(repository.services, repository.caller, rotation_id)

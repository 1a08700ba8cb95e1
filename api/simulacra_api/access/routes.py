"""Routes of access: sign up, claim the credentials once, rotate them."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from simulacra_api.access.rotation import claim_credential, find_rotation, request_rotation
from simulacra_api.access.schemas import (
    ClaimRequest,
    CredentialBody,
    RotationBody,
    RotationRequest,
    SignupBody,
    SignupRequest,
)
from simulacra_api.access.service import Signups
from simulacra_api.dependencies import CurrentTenant, TenantRoute, problems
from simulacra_api.services import ServicesDep

router = APIRouter(prefix="/v1", tags=["access"], route_class=TenantRoute)


@router.post(
    "/signup",
    status_code=202,
    operation_id="requestAccess",
    summary="Request access",
    responses=problems(400, 413, 415, 429),
)
async def request_access(
    signup: SignupRequest, request: Request, response: Response, services: ServicesDep
) -> SignupBody:
    """No token needed. A person decides; poll Location.

    Keep `request_id` secret: it leads to the credentials.
    """
    address = request.client.host if request.client else ""
    body = await Signups(services).create(signup, address, request.state.request_id)
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
    """Once approved: the client id, and a claim token that is valid for one hour and one use."""
    body = await Signups(services).find(request_id, request.state.request_id)
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
    """No other token needed. The secret is shown once, and to only one of concurrent callers."""
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
    rotation: Annotated[RotationRequest | None, Body()] = None,
) -> RotationBody:
    """Needs the present secret. Nothing changes until the claim token is exchanged.

    Then the previous secret stays valid for the overlap.
    """
    request = rotation or RotationRequest()
    body = await request_rotation(repository.services, repository.caller, request)
    response.headers["Location"] = repository.url(f"/v1/credential-rotations/{body.rotation_id}")
    return body


@router.get(
    "/credential-rotations/{rotation_id}",
    operation_id="getCredentialRotation",
    summary="Get a rotation",
    responses=problems(404),
)
async def get_rotation(rotation_id: str, repository: CurrentTenant) -> RotationBody:
    """Its status. The claim token is in the answer that opened the rotation, and nowhere else."""
    return await find_rotation(repository.services, repository.caller, rotation_id)

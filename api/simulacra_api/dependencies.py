"""What several routes share: the caller's repository and the documented answers.

Annotations are no strings here: FastAPI cannot resolve those of an object that is called.
"""

from contextlib import suppress
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from simulacra_api.auth.caller import authenticated
from simulacra_api.http.etags import entity_tag, represent
from simulacra_api.http.problems import MEDIA_TYPE, Problem, ProblemBody
from simulacra_api.jobs.prefer_wait import TERMINAL, wait_for
from simulacra_api.services import get_services
from simulacra_api.tenancy.idempotency import idempotency_key
from simulacra_api.tenancy.repository import TenantRepository


class _CurrentTenant(SecurityBase):
    """The caller's repository, and the security scheme of the document: one dependency, for each costs every request."""

    scheme_name = "HTTPBearer"
    model = HTTPBearer(bearerFormat="JWT", description="A token of /oauth/token.")

    async def __call__(self, request: Request) -> TenantRepository:
        services = await get_services(request)
        return TenantRepository(services, await authenticated(request, services))


current_tenant = _CurrentTenant()
CurrentTenant = Annotated[TenantRepository, Depends(current_tenant)]
JSON, HTML = "application/json", "text/html; charset=utf-8"
NOT_CHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Not changed."}}
IdempotencyKey = Annotated[str, Depends(idempotency_key)]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of the errors that a route answers; 401, 403, 429, 500 and 503 are on each."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}}}
    documented = sorted({401, 403, 429, 500, 503, *statuses})
    return {status: {"description": "Problem", "content": content} for status in documented}


def poll_headers(status: str) -> dict[str, str]:
    """Return the header that tells when to poll again, empty once the work has ended."""
    return {"Retry-After": "2"} if status in ("queued", "running", "uploading", "deleting") else {}


def small_document(content: bytes, media_type: str, if_none_match: str | None) -> Any:
    """Return a document as it is stored, or 304."""
    return represent(
        content, entity_tag(content), if_none_match, {"Vary": "Accept"}, media_type=media_type
    )


async def accepted(
    repository: TenantRepository, response: Response, path: str, job_id: str, wait: int
) -> dict[str, Any]:
    """Return what every answer to a request for work says of its job: id and status, and why it
    failed.

    202 with the job's address, or, for a caller that prefers to wait and whose work ended
    meanwhile, 201 with the resource's own.
    """
    base, headers = repository.services.settings.public_url, response.headers
    if wait:
        with suppress(Problem):  # a repeated request for what is gone by now has no job any more
            job = await wait_for(repository, response, job_id, wait)
            if job.status in TERMINAL:
                response.status_code = 201
                headers["Location"] = base + path
                return {"job_id": job_id, "status": job.status, "error": job.error}
    headers.update({"Location": f"{base}/v1/jobs/{job_id}", "Retry-After": "2"})
    return {"job_id": job_id}

"""What all routes share: the caller's repository, a fast route class, documented answers.

No `from __future__ import annotations`: FastAPI cannot resolve string annotations of a callable
object.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, get_type_hints

from fastapi import Depends, Request, Response
from fastapi.openapi.models import HTTPBearer
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase

from simulacra_api.http.etags import entity_tag, represent
from simulacra_api.http.problems import MEDIA_TYPE, Problem, ProblemBody
from simulacra_api.services import get_services
from simulacra_api.tenancy.caller import authenticated
from simulacra_api.tenancy.idempotency import idempotency_key
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.tasks import REPORT, REPORT_PAGE


class _CurrentTenant(SecurityBase):
    """Dependency: the caller's repository. One for both, as each dependency costs every request."""

    scheme_name = "HTTPBearer"
    model = HTTPBearer(bearerFormat="JWT", description="A token of /oauth/token.")

    async def __call__(self, request: Request) -> TenantRepository:
        services = await get_services(request)
        repository = TenantRepository(services, await authenticated(request, services))
        request.state.repository = repository
        return repository


current_tenant = _CurrentTenant()
CurrentTenant = Annotated[TenantRepository, Depends(current_tenant)]
JSON = "application/json"
HTML = "text/html; charset=utf-8"
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""A report is one file with its styles inside, and without scripts."""
NOT_CHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Not changed."}}
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
IdempotencyKey = Annotated[str, Depends(idempotency_key)]


class TenantRoute(APIRoute):
    """A route of a tenant: its answer waits until what was opened for it is on record.

    A refusal counts, too: it may name columns and levels. A 304 does not: its caller has a copy.
    """

    def get_route_handler(self) -> Handler:
        """Return the handler of a request."""
        handle = self.unrecorded_handler()

        async def handle_recorded(request: Request) -> Response:
            try:
                answer = await handle(request)
            except Problem:
                await _record_reads(request)
                raise
            if answer.status_code != 304:
                await _record_reads(request)
            return answer

        return handle_recorded

    def unrecorded_handler(self) -> Handler:
        """Return the handler, without the record."""
        return super().get_route_handler()


async def _record_reads(request: Request) -> None:
    repository: TenantRepository | None = getattr(request.state, "repository", None)
    if repository is not None:
        await repository.record_reads()


class DirectRoute(TenantRoute):
    """A route that skips dependency injection if it takes ids, `repository` and `if_none_match`.

    FastAPI solves dependencies and converts parameters for every request, which costs more than the
    work of a simple route. It still documents and matches the route.
    """

    def unrecorded_handler(self) -> Handler:
        """Return the handler of a request."""
        if not self._is_direct():
            return super().unrecorded_handler()
        endpoint: Callable[..., Awaitable[Response]] = self.endpoint
        conditional = bool(self.dependant.header_params)
        ids = {one.name: one.alias for one in self.dependant.path_params}

        async def handle(request: Request) -> Response:
            values: dict[str, Any] = {name: request.path_params[of] for name, of in ids.items()}
            values["repository"] = await current_tenant(request)
            if conditional:
                values["if_none_match"] = request.headers.get("if-none-match")
            return await endpoint(**values)

        return handle

    def _is_direct(self) -> bool:
        needs, hints = self.dependant, get_type_hints(self.endpoint)
        ids = [one.name for one in needs.path_params]
        return (
            hints.pop("return") is Response
            and {one.call for one in needs.dependencies} == {current_tenant}
            and set(hints) <= {"repository", "if_none_match", *ids}
            and all(hints[name] is str for name in ids)
        )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of a route's errors; 401, 403, 429, 500 and 503 are always added."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}}}
    documented = sorted({401, 403, 429, 500, 503, *statuses})
    return {status: {"description": "Problem", "content": content} for status in documented}


def documented(media_type: str, schema: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of a route that answers with a stored document."""
    return problems(404, 409) | NOT_CHANGED | {200: {"content": {media_type: {"schema": schema}}}}


def report_form(accept: str) -> tuple[str, str]:
    """Return media type and artifact of a report: a page for people, or JSON."""
    return (HTML, REPORT_PAGE) if "text/html" in accept else (JSON, REPORT)


def poll_headers(status: str) -> dict[str, str]:
    """Return Retry-After for a status that will change, nothing for a final one."""
    return {"Retry-After": "2"} if status in ("queued", "running", "uploading", "deleting") else {}


def small_document(content: bytes, media_type: str, if_none_match: str | None) -> Any:
    """Return a document as it is stored, or 304."""
    headers = {"Vary": "Accept"}
    if media_type == HTML:
        headers["Content-Security-Policy"] = _REPORT_POLICY
    return represent(content, entity_tag(content), if_none_match, headers, media_type=media_type)

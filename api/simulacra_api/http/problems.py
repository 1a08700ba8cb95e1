"""Errors as RFC 9457 problem details: the one envelope of every answer that is not a success."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from simulacra_api.http.error_codes import CATALOG
from simulacra_crds.kube.client import ClusterError, Unavailable
from simulacra_custody.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactTooLarge,
    CustodyError,
)
from simulacra_schema.base import optional_list
from simulacra_schema.faults import FieldError, pointer

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
_LOG = logging.getLogger("simulacra_api")
_OF_STATUS = {
    404: "simio_not_found",
    405: "simio_method_not_allowed",
    408: "simio_upload_timeout",
    413: "simio_file_too_large",
}


class ProblemBody(BaseModel, extra="allow"):
    """The body of every error (RFC 9457)."""

    type: str = Field(description="URL that explains the code.")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; see /errors.")
    request_id: str = Field(description="Also in the X-Request-Id header.")
    errors: list[FieldError] = optional_list("One entry per wrong field, by JSON pointer.")


class Problem(Exception):
    """An error to answer with. `detail` is for the customer and is never logged.

    Args:
        code: a code of the catalog.
        detail: what is wrong in this request, where, and what to do.
        errors: one entry per wrong field.
        headers: e.g. Retry-After.
        extra: further members of the body (OAuth's `error`).
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.entry = CATALOG[code]
        self.detail = detail or f"{self.entry.title}. {self.entry.remedy}"
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        if self.entry.status == 503:
            self.headers.setdefault("Retry-After", str(RETRY_SECONDS))


def invalid_field(at: str, detail: str) -> Problem:
    """Return the 400 of one wrong field.

    `at` is its JSON pointer, or the name of the header or query parameter.
    """
    errors = [FieldError(pointer=at, detail=detail)]
    return Problem("simio_invalid_field", f"{at}: {detail}", errors=errors)


def invalid_fields(errors: Sequence[FieldError], where: str) -> Problem:
    """Return the 400 of several wrong fields; `where` says which part of the request has them."""
    detail = f"{len(errors)} invalid field(s) in {where}. See errors[] for each."
    return Problem("simio_invalid_field", detail, errors=errors)


def problem_body(problem: Problem, base_url: str, request_id: str) -> dict[str, Any]:
    """Return the JSON body of a problem."""
    entry = problem.entry
    body = ProblemBody(
        type=f"{base_url}/errors/{entry.code}",
        title=entry.title,
        status=entry.status,
        detail=problem.detail,
        code=entry.code,
        request_id=request_id,
        errors=problem.errors,
        **problem.extra,
    )
    return body.model_dump(mode="json")


def problem_response(problem: Problem, base_url: str, request_id: str) -> JSONResponse:
    """Render a problem."""
    body = problem_body(problem, base_url, request_id)
    return JSONResponse(body, problem.entry.status, problem.headers, media_type=MEDIA_TYPE)


_OBJECT = "Must be an object {...}. See /openapi.json for its fields."
_MESSAGES = {
    "extra_forbidden": "Unknown field. See /openapi.json for the fields of this request.",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
}
"""Messages instead of pydantic's, which name its models."""


def field_errors(error: ValidationError | RequestValidationError) -> list[FieldError]:
    """Return one entry per wrong field. Pydantic's own messages do not repeat the input."""
    found = []
    for item in error.errors():
        path = [part for part in item["loc"] if part not in ("body", "query", "path", "header")]
        if item["type"] == "json_invalid":
            return [FieldError(pointer="", detail="The body is not valid JSON.")]
        at = pointer(*path).encode("utf-8", "replace").decode()  # a name may be invalid Unicode
        detail = _MESSAGES.get(item["type"]) or str(item["msg"]).removeprefix("Value error, ")
        found.append(FieldError(pointer=at, detail=detail))
    return found


def validation_problem(error: ValidationError | RequestValidationError) -> Problem:
    """Return the 400 of a body or query that does not match its model."""
    errors = field_errors(error)
    return invalid_fields(errors, ", ".join(entry.pointer or "the body" for entry in errors[:5]))


def of_exception(error: Exception) -> Problem:
    """Return the problem that a customer gets for an exception of the services."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ArtifactCorrupt | ArtifactMissing | ArtifactTooLarge):
        return Problem("simio_artifact_corrupt")
    if isinstance(error, CustodyError | Unavailable):
        return Problem("simio_unavailable")
    return Problem("simio_internal")


def install(app: FastAPI, base_url: str) -> None:
    """Answer every exception and every unknown route with a problem."""

    def answer(request: Request, problem: Problem) -> JSONResponse:
        request.state.code = problem.entry.code
        return problem_response(problem, base_url, request.state.request_id)

    async def on_error(request: Request, error: Exception) -> JSONResponse:
        problem = of_exception(error)
        if problem.entry.status >= 500:
            # Class names only: a message may quote what a customer sent.
            code, cause = problem.entry.code, type(error).__name__
            request_id = request.state.request_id
            _LOG.error("request failed code=%s request_id=%s cause=%s", code, request_id, cause)
        return answer(request, problem)

    async def on_validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        in_body = any(item["loc"][0] == "body" for item in error.errors())
        has_body = request.method in ("POST", "PATCH", "PUT")
        if in_body and has_body and content_type(request, "application/json") != "application/json":
            detail = "Send the body as application/json."
            return answer(request, Problem("simio_unsupported_content_type", detail))
        return answer(request, validation_problem(error))

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = _allowed(app, request, headers.get("Allow", ""))
        other = "simio_invalid_field" if error.status_code < 500 else "simio_internal"
        code = _OF_STATUS.get(error.status_code, other)
        detail = f"{error.detail} Send it again." if error.status_code == 408 else ""
        return answer(request, Problem(code, detail, headers=headers))

    for kind in (Problem, CustodyError, ClusterError):
        app.add_exception_handler(kind, on_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)


def content_type(request: Request, default: str = "") -> str:
    """Return the media type of a request, lower case, without parameters."""
    return request.headers.get("content-type", default).partition(";")[0].strip().lower()


def _allowed(app: FastAPI, request: Request, first: str) -> str:
    """Return all methods of a path; `first` has those of its first route only."""
    documented = app.openapi()["paths"].get(getattr(request.scope.get("route"), "path", ""), {})
    methods = {method.upper() for method in documented} | set(filter(None, first.split(", ")))
    return ", ".join(sorted(methods))

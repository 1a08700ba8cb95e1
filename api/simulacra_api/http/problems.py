"""Errors as RFC 9457 problem details: one envelope for everything that is not a success."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from simulacra_api.http.error_codes import CATALOG
from simulacra_crds.contract.generation_conditions import FieldError, pointer
from simulacra_crds.kube.client import ClusterError, Unavailable
from simulacra_custody.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactTooLarge,
    CustodyError,
)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
_LOG = logging.getLogger("simulacra_api")
_OF_STATUS = {404: "simio_not_found", 405: "simio_method_not_allowed", 413: "simio_file_too_large"}


class ProblemBody(BaseModel):
    """The body of every error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="URL that explains the code.")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; see /errors.")
    request_id: str = Field(description="Also in the X-Request-Id header.")
    errors: list[FieldError] = Field(
        default_factory=list, description="One entry a wrong field, by JSON pointer."
    )


class Problem(Exception):
    """An error to answer with. `detail` is for the customer and is never logged.

    Args:
        code: a code of the catalog.
        detail: what happened here, with the field, the limit and what to do.
        errors: one entry a wrong field.
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
    """Return the problem of one wrong field: its JSON pointer (or header, query name) and what to do."""
    return Problem(
        "simio_invalid_field", f"{at}: {detail}", errors=[FieldError(pointer=at, detail=detail)]
    )


def problem_response(problem: Problem, base_url: str, request_id: str) -> JSONResponse:
    """Render a problem."""
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
    return JSONResponse(
        body.model_dump(mode="json"), entry.status, problem.headers, media_type=MEDIA_TYPE
    )


_OBJECT = "give an object: {...}; its fields are in /openapi.json"
_IN_WORDS = {
    "extra_forbidden": "there is no field of this name here; those there are stand in /openapi.json",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
}
"""What a customer is told where pydantic's own words are about its models."""


def field_errors(error: ValidationError | RequestValidationError) -> list[FieldError]:
    """Return one entry a wrong field. Pydantic's own messages do not repeat the input."""
    found = []
    for item in error.errors():
        path = [part for part in item["loc"] if part not in ("body", "query", "path", "header")]
        if item["type"] == "json_invalid":
            return [FieldError(pointer="", detail="the body is not valid JSON")]
        at = pointer(*path).encode("utf-8", "replace").decode()  # a name may be no valid Unicode
        detail = _IN_WORDS.get(item["type"]) or str(item["msg"]).removeprefix("Value error, ")
        found.append(FieldError(pointer=at, detail=detail))
    return found


def validation_problem(error: ValidationError | RequestValidationError) -> Problem:
    """Return the 400 of a body or query that does not meet its model."""
    errors = field_errors(error)
    where = ", ".join(entry.pointer or "the body" for entry in errors[:5])
    return Problem(
        "simio_invalid_field", f"{len(errors)} field(s) are not valid: {where}", errors=errors
    )


def of_exception(error: Exception) -> Problem:
    """Return the problem that an exception of the services below means to a customer."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ArtifactCorrupt | ArtifactMissing | ArtifactTooLarge):
        return Problem("simio_artifact_corrupt")
    if isinstance(error, CustodyError | Unavailable):
        return Problem("simio_unavailable")
    return Problem("simio_internal")


def install(app: FastAPI, base_url: str) -> None:
    """Answer every exception and every unknown route in the one envelope."""

    def answer(request: Request, problem: Problem) -> JSONResponse:
        request.state.code = problem.entry.code
        return problem_response(problem, base_url, request.state.request_id)

    async def on_error(request: Request, error: Exception) -> JSONResponse:
        problem = of_exception(error)
        if problem.entry.status >= 500:  # class names only: messages may quote what a customer sent
            _LOG.error(
                "%s request_id=%s cause=%s",
                problem.entry.code,
                request.state.request_id,
                type(error).__name__,
            )
        return answer(request, problem)

    async def on_validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        content_type = (
            request.headers.get("content-type", "application/json")
            .partition(";")[0]
            .strip()
            .lower()
        )
        of_body = any(item["loc"][0] == "body" for item in error.errors())
        if (
            of_body
            and content_type != "application/json"
            and request.method in ("POST", "PATCH", "PUT")
        ):
            return answer(
                request,
                Problem("simio_unsupported_content_type", "Send the body as application/json"),
            )
        return answer(request, validation_problem(error))

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = _allowed(app, request, headers.get("Allow", ""))
        code = _OF_STATUS.get(
            error.status_code,
            "simio_invalid_field" if error.status_code < 500 else "simio_internal",
        )
        return answer(request, Problem(code, headers=headers))

    for kind in (Problem, CustodyError, ClusterError):
        app.add_exception_handler(kind, on_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)


def _allowed(app: FastAPI, request: Request, first: str) -> str:
    """Return the methods of a path: Starlette names those of the first route that has it, the document all."""
    documented = app.openapi()["paths"].get(getattr(request.scope.get("route"), "path", ""), {})
    return ", ".join(
        sorted({method.upper() for method in documented} | set(filter(None, first.split(", "))))
    )

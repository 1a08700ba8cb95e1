"""Exceptions of the SDK, with the service's own codes and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

_LISTED = " See errors[] for each."
"""End of a detail for programs; a message lists the errors themselves."""


class ApiError(Exception):
    """The service answered with a problem (RFC 9457).

    `code` is stable; `errors` names the wrong fields.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail") or problem.get("title") or "no detail")
        self.errors: list[dict[str, str]] = problem.get("errors") or []
        self.request_id = str(problem.get("request_id", ""))
        texts = [f"{e.get('pointer', '')}: {e.get('detail', '')}" for e in self.errors]
        fields = "".join(f"\n  {text}" for text in texts if text != self.detail)
        said = self.detail.removesuffix(_LISTED) if fields else self.detail
        super().__init__(f"{status} {self.code}: {said}{fields}")

    @classmethod
    def from_response(cls, response: httpx2.Response) -> ApiError:
        """Read the problem of a failed response; any other body becomes the detail."""
        try:
            problem = response.json()
        except ValueError:
            problem = {"title": response.reason_phrase}
        if not isinstance(problem, dict):
            problem = {"title": str(problem)}
        return cls(response.status_code, problem)


class JobFailed(Exception):
    """A job failed. `code` and `detail` say why and what to do, `errors` what in a description."""

    def __init__(self, job: dict[str, Any]) -> None:
        error = job.get("error") or {}
        self.job_id = str(job.get("job_id", ""))
        self.code = str(error.get("code", ""))
        self.detail = str(error.get("detail", ""))
        self.errors: list[dict[str, str]] = error.get("errors") or []
        fields = "".join(f"\n  {e.get('pointer')}: {e.get('detail')}" for e in self.errors)
        super().__init__(f"{self.code}: {self.detail}{fields}")


class EngineError(ValueError):
    """The engine in this process cannot use a table or a request.

    `errors` names the wrong fields.
    """

    def __init__(self, detail: str, errors: Sequence[Mapping[str, str]] = ()) -> None:
        self.detail = detail
        self.errors = [dict(one) for one in errors]
        said = [": ".join(filter(None, (e["pointer"], e["detail"]))) for e in self.errors]
        super().__init__("; ".join(said) or detail)


class DownloadCorrupt(Exception):
    """The received bytes do not have the digest that the service stated. Download again."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: the received bytes have another digest. Download it again.")

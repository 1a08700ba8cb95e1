"""What can go wrong between a customer and the service, as exceptions that carry the service's own words."""

from __future__ import annotations

from typing import Any

import httpx2


class ApiError(Exception):
    """The service answered with a problem (RFC 9457). `code` is stable; `errors` names the wrong fields."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail") or problem.get("title") or "no detail")
        self.errors: list[dict[str, str]] = problem.get("errors") or []
        self.request_id = str(problem.get("request_id", ""))
        said = [f"{e.get('pointer', '')}: {e.get('detail', '')}" for e in self.errors]
        fields = "".join(f"\n  {one}" for one in said if one != self.detail)
        super().__init__(f"{status} {self.code}: {self.detail}{fields}")

    @classmethod
    def from_response(cls, response: httpx2.Response) -> ApiError:
        """Read the problem document of a failed response; a body that is none becomes its own detail."""
        try:
            problem = response.json()
        except ValueError:
            problem = {"title": response.reason_phrase}
        return cls(response.status_code, problem if isinstance(problem, dict) else {"title": str(problem)})


class JobFailed(Exception):
    """A job ended as failed. `code` and `detail` say why and what to do."""

    def __init__(self, job: dict[str, Any]) -> None:
        error = job.get("error") or {}
        self.job_id = str(job.get("job_id", ""))
        self.code = str(error.get("code", ""))
        self.detail = str(error.get("detail", ""))
        super().__init__(f"{self.code}: {self.detail}")


class DownloadCorrupt(Exception):
    """The bytes that arrived do not have the digest that the service stated; download again."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: what arrived is not what the service sent (its digest differs); download it again")

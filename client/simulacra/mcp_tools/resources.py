"""Tools for everything that has an id: wait for it, see it, report on it, erase it."""

from contextlib import nullcontext
from typing import Annotated, Any

from pydantic import Field

from simulacra.certificates import verify_certificate
from simulacra.mcp_tools.base import ToolSet, tool_errors
from simulacra.mcp_tools.schemas import WAIT_SECONDS
from simulacra.models import Answer, Dataset, Generation, Job, Json
from simulacra.rows import generated


class ResourceTools(ToolSet):
    """Jobs, reports and erasure."""

    async def wait(
        self, job_id: str, seconds: Annotated[float, Field(gt=0, le=WAIT_SECONDS)] = WAIT_SECONDS
    ) -> Json:
        """Wait until a job ends, for at most `seconds`. If it is still running, call wait again.

        Of a table or of rows it then says in `tell` how good the rows are: pass that on.
        """
        corrections = self._corrected.get(job_id)
        with tool_errors(), corrections.named_in_errors() if corrections else nullcontext():
            try:
                job = await self._client.wait(job_id, timeout=seconds)
            except TimeoutError:
                return await self._client.job(job_id)
            return {**job, **_tell(await self._made(job))}

    async def _made(self, job: Job) -> Any:
        """Return what a finished job made, if there are verdicts on it."""
        if job.generation_id:
            return await self._client.generation(job.generation_id)
        if job.kind == "dataset" and job.dataset_id:
            return await self._client.dataset(job.dataset_id)
        return None

    async def status(
        self,
        id: Annotated[  # noqa: A002
            str, Field(description="Id of a job, dataset, generation, effect, sheet or segment.")
        ],
    ) -> Json:
        """Return the state of a resource: progress, expiry, attainment, an effect's verdict.

        `tell` is what to pass on word for word. A dataset's proposals are columns that look like
        background, with reasons. Ask the user about each; name those that hold in `before` of
        estimate, or upload with background auto. Its usual_order asks one question: put it to
        the user, and give the order that they confirm or correct as `blocks`.
        """
        with tool_errors():
            found = await self._client.get(id)
            if isinstance(found, Answer):
                return found.verdict_first()
            told = {**_tell(found), **found}
            if isinstance(found, Dataset) and found.status == "ready":
                graph = await self._client.graph(id)
                doubts = [one["text"] for one in graph.get("questioned") or ()]
                return told | {
                    "proposals": graph.get("proposals") or [],
                    "usual_order": await self._client.usual_order(id),
                    **({"questioned": doubts} if doubts else {}),
                }
            return told

    async def report(
        self,
        id: Annotated[  # noqa: A002
            str, Field(description="dataset_id (its model) or generation_id.")
        ],
        path: Annotated[
            str | None,
            Field(
                description="Write the report there: .html, one page to read and print; .json, all"
                " figures; .wave.json, the signed wave summary to keep for the next upload."
            ),
        ] = None,
    ) -> Json:
        """Return how good a model's or a generation's rows are: verdicts, and errors with floors.

        Of a survey with waves it also says what moved: each sentence has its interval.

        Pass `tell` on word for word.
        """
        with tool_errors():
            found = await self._client.report(id)
            answer = _tell(await self._client.get(id)) | {"errors": [*found.errors()]}
            answer |= {"design": lines} if (lines := [*found.drawn()]) else {}
            answer |= {"moved": lines} if (lines := [*found.moved()]) else {}
            if path is None:
                return answer
            page: Any = await self._client.report_page(id) if path.endswith(".html") else found
            if path.endswith(".wave.json"):
                page = await self._client.summary(id)
            return answer | {"path": str(self._written(path, page))}

    async def delete(
        self,
        id: Annotated[  # noqa: A002
            str,
            Field(
                description="Id of a generation, effect, sheet, segment, or dataset with all made"
                " of it."
            ),
        ],
        certificate_path: Annotated[
            str | None, Field(description="File for the signed certificate.")
        ] = None,
    ) -> Json:
        """Erase for good, wait for the erasure, and return its verified certificate.

        A dataset takes its model and everything made from it along. Ask the user first.
        """
        with tool_errors():
            target = self._inside(certificate_path) if certificate_path else None
            await self._client.delete(id)
            certificate = await self._client.erasure_certificate(id)
            statement = verify_certificate(certificate, await self._client.published_keys())
            if target:
                self._written(str(target), certificate)
            return {"deleted": id, "certificate": statement, "signature": "holds"}


def _tell(found: Any) -> Json:
    """Return what to tell of a resource, in the sentences of SDK and command line."""
    if isinstance(found, Generation):
        lines = [*generated(found)]
    elif isinstance(found, Dataset):
        lines = found.verdicts
    else:
        lines = []
    return {"tell": lines} if lines else {}

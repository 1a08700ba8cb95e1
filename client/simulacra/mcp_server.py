"""`simulacra mcp`: tools of the Model Context Protocol for agents, over stdio.

Tables move between files on this machine and the service: no row and no secret passes through the
model's context. Files are read and written only below one folder.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx2
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, ConfigDict, Field

from simulacra.async_client import AsyncClient
from simulacra.certificates import verify_certificate
from simulacra.commands.options import format_of
from simulacra.connection import Connection
from simulacra.core import may_pass
from simulacra.effect import Effect
from simulacra.errors import ApiError, DownloadCorrupt, JobFailed
from simulacra.models import Dataset, Json
from simulacra.operations import uploads
from simulacra.operations.effects import Population
from simulacra.sheet import Sheet

INSTRUCTIONS = (
    "Simulacra makes synthetic tables. Use `upload` for a table, `wait` for its job, and `schema` "
    "for its columns. Then `generate` rows under conditions or interventions on these columns, "
    "`wait` again, `download` the rows to a file, and `delete` the dataset when you are done. "
    "Generated rows are worth fewer respondents than there are rows: pass on what `download` says. "
    "`estimate` and `sheet` answer causal questions: "
    "begin your answer with the text of its verdict. "
    "Rows never come back as text: work on the files."
)
WAIT_SECONDS = 45.0
"""Longest duration of one call, except a small upload: many clients stop a tool after 60 s."""
Local = Annotated[str, Field(description="Path of a file, relative to the folder of this server.")]
DatasetId = Annotated[str, Field(description="dataset_id from upload.")]


class LeverInput(BaseModel):
    """A lever with two values to compare, or with what came before and after it."""

    model_config = ConfigDict(extra="forbid")

    column: str
    value: float | str | None = Field(default=None, description="Give baseline as well.")
    baseline: float | str | None = Field(default=None, description="What to compare with.")
    before: list[str] = Field(
        default_factory=list,
        description="Columns settled before this lever, other levers too. Ask the user.",
    )
    after: list[str] = Field(
        default_factory=list, description="Columns that came after this lever, other levers too."
    )


@contextmanager
def _tool_errors() -> Iterator[None]:
    """Turn an error into a message for the model."""
    try:
        yield
    except (ApiError, JobFailed, DownloadCorrupt, TimeoutError, ValueError) as error:
        raise _tool_error(error, str(error)) from error
    except OSError as error:
        text = f"{error.filename or 'the file'}: {error.strerror or error}"
        raise _tool_error(error, text) from error
    except httpx2.TransportError as error:
        text = f"The service does not answer ({type(error).__name__}). Try again later."
        raise _tool_error(error, text) from error


def _tool_error(error: Exception, text: str) -> ToolError:
    """Return the message with the error's notes, which say how to continue."""
    return ToolError("\n".join([text, *getattr(error, "__notes__", ())]))


class Tools:
    """The tools; the model reads each method's docstring."""

    def __init__(self, client: AsyncClient, directory: Path) -> None:
        self._client = client
        self._directory = directory.resolve()
        self._unfinished: dict[tuple[Any, ...], str] = {}
        """Idempotency keys of unfinished uploads, by file and options."""

    def all(self) -> list[Any]:
        """Return the tools to register."""
        return [
            *(self.upload, self.datasets, self.schema, self.generate, self.estimate, self.sheet),
            *(self.wait, self.status, self.download, self.delete),
        ]

    async def upload(
        self,
        path: Local,
        retention_hours: Annotated[
            float, Field(gt=0, le=168, description="Hours to keep the dataset.")
        ] = 24,
        weights: Annotated[
            str | None, Field(description="Column of survey weights, if there is one.")
        ] = None,
        knowledge: Annotated[
            Json | None,
            Field(
                description="Causal knowledge: "
                '{"tiers": [[column]], "required": [{"source", "target"}]}'
            ),
        ] = None,
        background: Annotated[
            Literal["ask", "auto"],
            Field(
                description="auto: columns recognized as background (age, sex, survey year) come "
                "before all others. Only if the user agrees."
            ),
        ] = "ask",
        key: Annotated[
            str | None,
            Field(
                description="Only to continue an upload of another session: the key it returned."
            ),
        ] = None,
    ) -> Json:
        """Upload a table (CSV, Parquet, Arrow, .xlsx, .sav) and fit a model; wait for its job_id.

        If the call is interrupted or returns status uploading, call it again with the same
        arguments: it continues where it stopped.
        """
        options: Json = {
            "retention_seconds": round(retention_hours * 3600),
            "weights": weights,
            "knowledge": knowledge,
            "background": None if background == "ask" else background,
        }
        with _tool_errors():
            source = self._inside(path)
            stat = source.stat()
            request = (source, stat.st_size, stat.st_mtime_ns, json.dumps(options))
            key = key or self._unfinished.setdefault(request, uuid.uuid4().hex)
            sent = 0

            def count(so_far: int, _: int | None) -> None:
                nonlocal sent
                sent = so_far

            limit = WAIT_SECONDS if stat.st_size > uploads.PIECE_BYTES else None
            try:
                async with asyncio.timeout(limit):
                    done = await self._client.upload(source, **options, key=key, on_bytes=count)
            except TimeoutError:
                progress = {"sent_bytes": sent, "bytes": stat.st_size}
                return {"status": "uploading", **progress, "key": key}
            except ApiError as error:
                if not may_pass(error):
                    self._unfinished.pop(request, None)
                raise
            self._unfinished.pop(request, None)
            return done

    async def datasets(self) -> list[Json]:
        """List the datasets, newest first."""
        with _tool_errors():
            return list(await self._client.datasets())

    async def schema(self, dataset_id: DatasetId) -> Json:
        """Return the columns with kind, levels and range, for conditions and interventions."""
        with _tool_errors():
            return await self._client.schema(dataset_id)

    async def generate(
        self,
        dataset_id: DatasetId,
        rows: Annotated[int | None, Field(gt=0)] = None,
        persons: Annotated[
            int | None, Field(gt=0, description="Instead of rows: persons, each with its history.")
        ] = None,
        conditions: Annotated[
            Json | None,
            Field(
                description='{"categorical": {column: {level: share}}, '
                '"numeric": {column: {"min": n, "max": n}}}'
            ),
        ] = None,
        do: Annotated[Json | None, Field(description="Interventions: {column: value}.")] = None,
        counterfactual: Annotated[
            bool,
            Field(description="Rows in pairs: each row, then its counterfactual twin under `do`."),
        ] = False,
        evidence: Annotated[
            bool,
            Field(description="Add evidence_weight, a last column for use as frequency weights."),
        ] = True,
        seed: Annotated[int | None, Field(description="Same seed, same rows.")] = None,
    ) -> Json:
        """Start to generate rows. Wait for the job_id, then download the generation_id."""
        with _tool_errors():
            return await self._client.generate(
                dataset_id,
                rows,
                persons=persons,
                conditions=conditions,
                interventions=do,
                counterfactual=counterfactual,
                evidence=evidence,
                seed=seed,
            )

    async def estimate(
        self,
        dataset_id: DatasetId,
        treatment: Annotated[str, Field(description="Column to intervene on.")],
        value: Annotated[float | str, Field(description="Treatment value.")],
        baseline: Annotated[float | str, Field(description="Value to compare with.")],
        outcome: Annotated[str, Field(description="Column whose average is compared.")],
        outcome_level: Annotated[
            str | None, Field(description="Of a categorical outcome: the level whose share counts.")
        ] = None,
        segment: Annotated[str | None, Field(description="Column to split the effect by.")] = None,
        before: Annotated[
            list[str] | None,
            Field(description="Columns settled before the treatment. Ask the user; do not guess."),
        ] = None,
        after: Annotated[
            list[str] | None, Field(description="Columns that the treatment may have changed.")
        ] = None,
        dont_know: Annotated[
            list[str] | None, Field(description="Columns that may be either.")
        ] = None,
        population: Annotated[
            Population | None,
            Field(description="Whose average effect: all (default), treated or overlap."),
        ] = None,
        negative_controls: Annotated[
            list[str] | None, Field(description="Columns that the treatment cannot change.")
        ] = None,
    ) -> Json:
        """Start to estimate a causal effect. Wait for the job_id, then call status(effect_id).

        Ask the user first which columns were already so before the treatment was settled, and give
        them as `before`. Report the verdict's text word for word, before any number.
        """
        with _tool_errors():
            return await self._client.estimate(
                dataset_id,
                treatment=treatment,
                value=value,
                baseline=baseline,
                outcome=outcome,
                outcome_level=outcome_level,
                segment=segment,
                before=before or (),
                after=after or (),
                dont_know=dont_know or (),
                population=population,
                negative_controls=negative_controls or (),
            )

    async def sheet(
        self,
        dataset_id: DatasetId,
        outcome: Annotated[str, Field(description="Column whose average is compared.")],
        outcome_level: Annotated[
            str | None, Field(description="Of a categorical outcome: the level whose share counts.")
        ] = None,
        levers: Annotated[
            list[str | LeverInput] | None,
            Field(description="Columns to compare; all that may be levers, if not given."),
        ] = None,
        before: Annotated[
            list[str] | None,
            Field(description="Columns settled before any lever. Ask the user; do not guess."),
        ] = None,
        after: Annotated[
            list[str] | None,
            Field(description="Columns that came after every lever; name the outcome too."),
        ] = None,
        dont_know: Annotated[
            list[str] | None, Field(description="Columns that may be either.")
        ] = None,
    ) -> Json:
        """Start to compare all levers of an outcome. Wait for the job_id, then status(sheet_id).

        Report `text` and the verdicts' texts word for word, before any number. Only levers with a
        `rank` may be called more or less important than others.
        """
        with _tool_errors():
            return await self._client.ask_sheet(
                dataset_id,
                outcome=outcome,
                outcome_level=outcome_level,
                levers=[
                    one if isinstance(one, str) else one.model_dump(exclude_defaults=True)
                    for one in levers or ()
                ],
                before=before or (),
                after=after or (),
                dont_know=dont_know or (),
            )

    async def wait(
        self, job_id: str, seconds: Annotated[float, Field(gt=0, le=WAIT_SECONDS)] = WAIT_SECONDS
    ) -> Json:
        """Wait until a job ends, for at most `seconds`. If it is still running, call wait again."""
        with _tool_errors():
            try:
                return await self._client.wait(job_id, timeout=seconds)
            except TimeoutError:
                return await self._client.job(job_id)

    async def status(
        self,
        id: Annotated[  # noqa: A002
            str, Field(description="Id of a job, dataset, generation, effect or sheet.")
        ],
    ) -> Json:
        """Return the state of a resource: progress, expiry, attainment, an effect's verdict.

        A dataset's proposals are columns that look like background, with reasons. Ask the user
        about each; name those that hold in `before` of estimate, or upload with background auto.
        """
        with _tool_errors():
            found = await self._client.get(id)
            if isinstance(found, Effect | Sheet):
                return found.verdict_first()
            if isinstance(found, Dataset) and found.status == "ready":
                graph = await self._client.graph(id)
                return found | {"proposals": graph.get("proposals") or []}
            return dict(found)

    async def download(self, generation_id: str, path: Local) -> Json:
        """Write a generation's rows to a .parquet, .csv, .arrow, .sav or .xlsx file.

        `worth` says how many respondents the rows are worth: tell it to whoever analyzes them.
        """
        with _tool_errors():
            target = self._inside(path)
            size = await self._client.download(generation_id, target, format_of(target))
            found = await self._client.generation(generation_id)
            worth = {"worth": found.sentence} if found.sentence else {}
            return {"path": str(target), "bytes": size, **worth}

    async def delete(
        self,
        id: Annotated[  # noqa: A002
            str,
            Field(description="Id of a generation, effect, sheet, or dataset with all made of it."),
        ],
        certificate_path: Annotated[
            str | None, Field(description="File for the signed certificate.")
        ] = None,
    ) -> Json:
        """Erase for good; return the statement of the erasure certificate, after a check."""
        with _tool_errors():
            target = self._inside(certificate_path) if certificate_path else None
            await self._client.delete(id)
            certificate = await self._client.erasure_certificate(id)
            statement = verify_certificate(certificate, await self._client.published_keys())
            if target:
                target.write_text(json.dumps(certificate, indent=2))
            return {"deleted": id, "certificate": statement, "signature": "holds"}

    def _inside(self, path: str) -> Path:
        found = (self._directory / path).resolve()
        if not found.is_relative_to(self._directory):
            raise ValueError(f"{path} is outside the folder of this server. Give a path below it.")
        return found


def serve(connection: Path | None, directory: Path) -> None:
    """Serve until the agent closes stdin.

    Raises:
        OSError, ValueError: the connection is missing or wrong.
    """
    known = Connection.from_file(connection) if connection else Connection.from_environment()
    client = AsyncClient(known)

    @asynccontextmanager
    async def lifespan(_: MCPServer[None]) -> AsyncIterator[None]:
        async with client:
            yield

    server = MCPServer(
        "simulacra", instructions=INSTRUCTIONS, version=version("simulacra"), lifespan=lifespan
    )
    for tool in Tools(client, directory).all():
        server.add_tool(tool)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # else it logs each request
    server.run("stdio")

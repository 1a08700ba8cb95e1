"""`simulacra mcp`: the main job as tools of the Model Context Protocol, for agents, over stdio.

Tables go from file to service and from service to file, on the machine that the agent works on: no row and no secret
passes through the model's context. Files are read and written below one folder only.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import httpx2
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from simulacra.async_client import AsyncClient
from simulacra.certificates import verify_certificate
from simulacra.commands.shared import format_of
from simulacra.connection import Connection
from simulacra.documents import Json
from simulacra.errors import ApiError, DownloadCorrupt, JobFailed
from simulacra.operations import uploads
from simulacra.protocol import may_pass

INSTRUCTIONS = (
    "Simulacra makes synthetic tables. upload a table, wait for its job, read its schema, generate rows under "
    "conditions or interventions that are written against that schema, wait, download them to a file, and delete the "
    "dataset when done. estimate answers causal questions. Rows never come back as text: work on the files."
)
WAIT_SECONDS = 45.0
"""Longest that one call takes, a small upload but: clients commonly give up on a tool after 60 s."""
Local = Annotated[str, Field(description="Path of a file, relative to the folder that this server serves.")]
DatasetId = Annotated[str, Field(description="dataset_id as upload gave it.")]


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn what goes wrong into what the model is told."""
    try:
        yield
    except (ApiError, JobFailed, DownloadCorrupt, TimeoutError, ValueError) as error:
        raise _told(error, str(error)) from error
    except OSError as error:
        raise _told(error, f"{error.filename or 'the file'}: {error.strerror or error}") from error
    except httpx2.TransportError as error:
        what = f"the service does not answer ({type(error).__name__}); try again later"
        raise _told(error, what) from error


def _told(error: Exception, what: str) -> ToolError:
    """Return the sentence with what the error's notes add: how to go on."""
    return ToolError("\n".join([what, *getattr(error, "__notes__", ())]))


class Tools:
    """The tools; each method's docstring is what the model reads."""

    def __init__(self, client: AsyncClient, directory: Path) -> None:
        self._client, self._directory = client, directory.resolve()
        self._begun: dict[tuple[Any, ...], str] = {}
        """Uploads that were begun and have not ended, as they were asked for, and their keys."""

    def all(self) -> list[Any]:
        """Return the tools to register."""
        return [
            *(self.upload, self.datasets, self.schema, self.generate, self.estimate),
            *(self.wait, self.status, self.download, self.delete),
        ]

    async def upload(
        self,
        path: Local,
        retention_hours: Annotated[float, Field(gt=0, le=168, description="How long it is kept.")] = 24,
        weights: Annotated[str | None, Field(description="Name of the column of survey weights, if any.")] = None,
        knowledge: Annotated[
            Json | None,
            Field(description='What is known of causes: {"tiers": [[column]], "required": [{"source", "target"}]}'),
        ] = None,
        key: Annotated[
            str | None, Field(description="Only to go on with an upload that another session began: the key it told.")
        ] = None,
    ) -> Json:
        """Upload a table (CSV, Parquet, Arrow, .xlsx, .sav); a model is fit on it. Then wait for its job_id.

        Interrupted, or answered with status uploading, call it again with the same arguments: it goes on where it
        stopped.
        """
        said: Json = {"retention_seconds": round(retention_hours * 3600), "weights": weights, "knowledge": knowledge}
        with _sentences():
            source = self._inside(path)
            known = source.stat()
            asked = (source, known.st_size, known.st_mtime_ns, json.dumps(said))
            key = key or self._begun.setdefault(asked, uuid.uuid4().hex)
            sent = 0

            def count(so_far: int, _: int | None) -> None:
                nonlocal sent
                sent = so_far

            try:
                async with asyncio.timeout(WAIT_SECONDS if known.st_size > uploads.PIECE_BYTES else None):
                    done: Json = await self._client.upload(source, **said, key=key, on_bytes=count)
            except TimeoutError:
                return {"status": "uploading", "sent_bytes": sent, "bytes": known.st_size, "key": key}
            except ApiError as error:
                if not may_pass(error):
                    self._begun.pop(asked, None)
                raise
            self._begun.pop(asked, None)
            return done

    async def datasets(self) -> list[Json]:
        """List the datasets that are kept, newest first."""
        with _sentences():
            return list(await self._client.datasets())

    async def schema(self, dataset_id: DatasetId) -> Json:
        """Return columns, kinds, levels and ranges: conditions and interventions are written against these."""
        with _sentences():
            return await self._client.schema(dataset_id)

    async def generate(
        self,
        dataset_id: DatasetId,
        rows: Annotated[int, Field(gt=0)],
        conditions: Annotated[
            Json | None,
            Field(description='{"categorical": {column: {level: share}}, "numeric": {column: {"min": n, "max": n}}}'),
        ] = None,
        do: Annotated[Json | None, Field(description="Interventions: {column: value}.")] = None,
        counterfactual: Annotated[
            bool, Field(description="Rows in pairs: each row, then its twin as it would have been under `do`.")
        ] = False,
        seed: Annotated[int | None, Field(description="Same seed, same rows.")] = None,
    ) -> Json:
        """Ask for synthetic rows; wait for the job_id, then download the generation_id."""
        with _sentences():
            return await self._client.generate(
                dataset_id, rows, conditions=conditions, interventions=do, counterfactual=counterfactual, seed=seed
            )

    async def estimate(
        self,
        dataset_id: DatasetId,
        treatment: Annotated[str, Field(description="The column that is set.")],
        value: Annotated[float | str, Field(description="What it is set to.")],
        baseline: Annotated[float | str, Field(description="What that is compared with.")],
        outcome: Annotated[str, Field(description="The column whose average is compared.")],
        outcome_level: Annotated[str | None, Field(description="Of a category: whose share counts.")] = None,
        segment: Annotated[str | None, Field(description="Give the effect by this column as well.")] = None,
    ) -> Json:
        """Ask for an average causal effect; wait for the job_id, then read it with status(effect_id)."""
        with _sentences():
            return await self._client.estimate(
                dataset_id,
                treatment=treatment,
                value=value,
                baseline=baseline,
                outcome=outcome,
                outcome_level=outcome_level,
                segment=segment,
            )

    async def wait(self, job_id: str, seconds: Annotated[float, Field(gt=0, le=WAIT_SECONDS)] = WAIT_SECONDS) -> Json:
        """Wait until a job ends, or so many seconds: then its status is still running, and you call wait again."""
        with _sentences():
            try:
                return await self._client.wait(job_id, timeout=seconds)
            except TimeoutError:
                return await self._client.job(job_id)

    async def status(
        self,
        id: Annotated[str, Field(description="job_id, dataset_id, generation_id or effect_id.")],  # noqa: A002
    ) -> Json:
        """Return the state of anything: progress, expiry, asked against attained, an effect's figures."""
        with _sentences():
            return dict(await self._client.get(id))

    async def download(self, generation_id: str, path: Local) -> Json:
        """Write a generation's rows to a file; its suffix decides: .parquet, .csv or .arrow."""
        with _sentences():
            target = self._inside(path)
            size = await self._client.download(generation_id, target, format_of(target))
            return {"path": str(target), "bytes": size}

    async def delete(
        self,
        id: Annotated[str, Field(description="dataset_id (with all that came of it), generation_id or effect_id.")],  # noqa: A002
        certificate_path: Annotated[str | None, Field(description="Keep the signed certificate in this file.")] = None,
    ) -> Json:
        """Erase for good; returns what the signed erasure certificate states, its signature checked."""
        with _sentences():
            target = self._inside(certificate_path) if certificate_path else None
            await self._client.delete(id)
            certificate = await self._client.erasure_certificate(id)
            statement = verify_certificate(certificate, await self._client.published_keys())
            if target:
                _write(target, certificate)
            return {"deleted": id, "certificate": statement, "signature": "holds"}

    def _inside(self, path: str) -> Path:
        found = (self._directory / path).resolve()
        if not found.is_relative_to(self._directory):
            raise ValueError(f"{path} is outside of the folder that this server may use; give a path below it")
        return found


def _write(target: Path, document: Json) -> None:
    target.write_text(json.dumps(document, indent=2))


def serve(connection: Path | None, directory: Path) -> None:
    """Serve until the agent closes stdin.

    Raises:
        ValueError, FileNotFoundError: there is no usable connection.
    """
    known = Connection.from_file(connection) if connection else Connection.from_environment()
    client = AsyncClient(known)

    @asynccontextmanager
    async def lifespan(_: MCPServer[None]) -> AsyncIterator[None]:
        async with client:
            yield

    server = MCPServer("simulacra", instructions=INSTRUCTIONS, version=version("simulacra"), lifespan=lifespan)
    for tool in Tools(client, directory).all():
        server.add_tool(tool)
    server.run("stdio")

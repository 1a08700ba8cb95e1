"""Tools for tables: upload, what was read as what, and a new fit."""

import asyncio
import json
import uuid
from typing import Annotated, Any, Literal

from pydantic import Field

from simulacra.core import may_pass
from simulacra.corrections import Corrections
from simulacra.errors import ApiError
from simulacra.mcp_tools import schemas
from simulacra.mcp_tools.base import ToolSet, tool_errors
from simulacra.mcp_tools.schemas import (
    DatasetId,
    Description,
    Knowledge,
    Local,
    Weights,
    with_corrections,
)
from simulacra.models import Json
from simulacra.operations import uploads

Earlier = Annotated[
    str | None,
    Field(description="File of the summary of earlier waves; `report` says what moved."),
]
Background = Annotated[
    Literal["ask", "auto"] | None,
    Field(
        description="auto: columns recognized as background (age, sex, survey year) come before all"
        " others. Only if the user agrees. ask, the default: they are only proposed."
    ),
]


class TableTools(ToolSet):
    """Datasets."""

    @with_corrections
    async def upload(
        self,
        path: Local,
        name: Annotated[
            str | None, Field(description="What to call the table; as its file by default.")
        ] = None,
        retention_hours: Annotated[
            float, Field(gt=0, le=168, description="Hours to keep the dataset.")
        ] = 24,
        weights: Weights = None,
        description: Description = None,
        hold: Annotated[
            bool,
            Field(description="Stop after reading (status held); `refit` confirms it and fits."),
        ] = False,
        earlier: Earlier = None,
        keep_source: Annotated[
            bool, Field(description="Keep the table, encrypted, so that `refit` can read it again.")
        ] = False,
        knowledge: Knowledge = None,
        background: Background = None,
        key: Annotated[
            str | None,
            Field(
                description="Only to continue an upload of another session: the key it returned."
            ),
        ] = None,
        **changes: Any,
    ) -> Json:
        """Upload a table (CSV, Parquet, Arrow, .xlsx, .sav) and fit a model; wait for its job_id.

        Then `describe` says how the columns were read. If the call is interrupted or returns status
        uploading, call it again with the same arguments: it continues where it stopped.
        """
        with tool_errors():
            corrections = Corrections(**changes)
            options: Json = {
                "name": name,
                "retention_seconds": round(retention_hours * 3600),
                "weights": weights,
                "description": corrections.into(description),
                "earlier": None if earlier is None else str(self._inside(earlier)),
                "hold": hold,
                "keep_source": keep_source,
                "knowledge": knowledge,
                "background": None if background == "ask" else background,
            }
            with corrections.named_in_errors():
                done = await self._send(path, options, key)
            if job_id := done.get("job_id"):
                self._corrected[job_id] = corrections
            return done

    async def _send(self, path: str, options: Json, key: str | None) -> Json:
        """Upload a file for as long as a call may take; return how far it came, if it is longer."""
        source = self._inside(path)
        stat = source.stat()
        request: tuple[Any, ...] = (source, stat.st_size, stat.st_mtime_ns, json.dumps(options))
        key = key or self._unfinished.setdefault(request, uuid.uuid4().hex)
        sent = 0

        def count(so_far: int, _: int | None) -> None:
            nonlocal sent
            sent = so_far

        limit = schemas.WAIT_SECONDS if stat.st_size > uploads.PIECE_BYTES else None
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
        with tool_errors():
            return list(await self._client.datasets())

    async def schema(self, dataset_id: DatasetId) -> Json:
        """Return the columns with kind, levels and range, for conditions and interventions."""
        with tool_errors():
            return await self._client.schema(dataset_id)

    async def describe(
        self,
        dataset_id: DatasetId,
        path: Annotated[
            str | None,
            Field(description="Write it to this .json file instead, for a table of many columns."),
        ] = None,
    ) -> Json:
        """Return what each column was read as, who said so and why: the completed description.

        Show the user what looks wrong. Correct it with `refit`, or with `upload` where the table
        is erased.
        """
        with tool_errors():
            found = await self._client.describe(dataset_id)
            return found if path is None else {"path": str(self._written(path, found))}

    @with_corrections
    async def refit(
        self,
        dataset_id: DatasetId,
        description: Description = None,
        weights: Weights = None,
        knowledge: Knowledge = None,
        background: Background = None,
        confirm: Annotated[
            bool, Field(description="Fit a held dataset with its description as it is.")
        ] = False,
        source: Annotated[
            str | None,
            Field(
                description="File of the table, uploaded again where it is erased, relative to the"
                " folder of this server: another dataset, with knowledge and retention of this one."
            ),
        ] = None,
        earlier: Earlier = None,
        **changes: Any,
    ) -> Json:
        """Fit again: a description or corrections of it, or other knowledge; wait for its job_id.

        Everything generated and estimated from the previous model is erased: ask the user first.
        Corrections without a description change the present one. Reading the table again needs its
        source: status held, or uploaded with keep_source; otherwise give the file as `source`, and
        a summary of earlier waves again as `earlier`. That makes a new dataset and erases nothing.
        """
        with tool_errors():
            if earlier is not None and source is None:
                raise ValueError("earlier: goes with source; without it the present one stays.")
            corrections = Corrections(weights=weights, **changes)
            stated = description
            if stated is None and (corrections or confirm):
                stated = await self._client.describe(dataset_id)
            stated = corrections.into(stated, replacing=description is None)
            with corrections.named_in_errors():
                if source is not None:
                    options = {"description": stated, "background": background}
                    options |= {} if knowledge is None else {"knowledge": knowledge}
                    done = await self._upload_again(dataset_id, source, earlier, options)
                else:
                    done = await self._client.refit(
                        dataset_id, knowledge, background=background, description=stated
                    )
            if job_id := done.get("job_id"):
                self._corrected[job_id] = corrections
            return done

    async def _upload_again(
        self, dataset_id: str, source: str, earlier: str | None, options: Json
    ) -> Json:
        """Upload the table of a dataset again, with another description; raise without one."""
        if options["description"] is None:
            raise ValueError("source: goes with a description, or with corrections.")
        summary = None if earlier is None else str(self._inside(earlier))
        kept = await self._client.kept_options(dataset_id, summary)
        return await self._send(source, kept | options, None)

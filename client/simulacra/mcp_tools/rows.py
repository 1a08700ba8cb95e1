"""Tools that generate rows and write them to a file."""

import asyncio
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import Field

from simulacra.commands.options import format_of
from simulacra.completion import WRITTEN, write_rows
from simulacra.csv_reading import reading_of
from simulacra.engine.draft import draft as draw
from simulacra.errors import ApiError
from simulacra.mcp_tools.base import ToolSet, tool_errors
from simulacra.mcp_tools.schemas import DatasetId, Local
from simulacra.models import Json
from simulacra.rows import generated


class RowTools(ToolSet):
    """Generations."""

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
                '"numeric": {column: {"min": n, "max": n}}, "quotas": [{"where": {column: level, '
                '[levels], {"min": n, "max": n} or {"earliest": d, "latest": d}}, "share": s}]};'
                ' a quota is the share of a cell; instead of share, its "min" and "max".'
            ),
        ] = None,
        do: Annotated[
            Json | list[str] | None,
            Field(description='Interventions: {column: value}, or ["column=value"].'),
        ] = None,
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
        """Start to generate rows. Wait for the job_id, then download the generation_id.

        `wait` and `download` say how good the rows are: pass that on.
        """
        with tool_errors():
            return await self._client.generate(
                dataset_id,
                rows,
                persons=persons,
                conditions=conditions,
                do=do,
                counterfactual=counterfactual,
                evidence=evidence,
                seed=seed,
            )

    async def draft(
        self,
        description: Annotated[
            Json,
            Field(
                description="All columns (Data Package v2): categories, constraints.minimum and"
                " maximum of numbers and dates, x-simulacra.askedIf {column: [levels]} of skips."
            ),
        ],
        path: Local,
        rows: Annotated[int, Field(gt=0, le=10_000)] = 500,
        conditions: Annotated[
            Json | None, Field(description="As of `generate`: shares, ranges and quotas.")
        ] = None,
        seed: Annotated[int, Field(description="Same seed, same rows.")] = 0,
    ) -> Json:
        """Write rows from a description alone to a file, to test a script before there is data.

        No model and no service: columns are drawn apart from each other. Never analyze these rows
        or report figures of them; the column `draft` marks each.
        """
        with tool_errors():
            target = self._inside(path)
            format_of(target)
            made = await asyncio.to_thread(
                draw, description, rows, conditions=conditions, seed=seed
            )
            made.save(target)
            return {"path": str(target), "tell": [repr(made)]}

    async def complete(
        self,
        dataset_id: DatasetId,
        path: Local,
        output: Local,
        columns: Annotated[
            list[str] | None, Field(description="Columns to fill; all that can be, if absent.")
        ] = None,
        implicates: Annotated[
            int, Field(ge=2, le=50, description="How often each gap is filled.")
        ] = 10,
        unknown: Annotated[
            Literal["refuse", "missing"],
            Field(description="Levels that the model does not know: refuse the rows, or as gaps."),
        ] = "refuse",
        pairs: Annotated[
            list[str] | None,
            Field(description='"x*y" of a column of the rows and one of the model: their bounds.'),
        ] = None,
        independent: Annotated[
            list[str] | None,
            Field(description='"x*y" that only the common columns connect, as the user states.'),
        ] = None,
        sign: Annotated[
            list[str] | None,
            Field(description='"x*y:positive" or "x=Yes*y=No:negative", as the user states.'),
        ] = None,
        impossible: Annotated[
            list[str] | None,
            Field(description='"x=Yes*y=No": answers that never meet, as the user states.'),
        ] = None,
        seed: Annotated[int | None, Field(description="Same seed, same cells.")] = None,
    ) -> Json:
        """Fill in the gaps of the rows in a file by a dataset's model, and wait for it.

        `path` is a .csv, .parquet, .arrow, .xlsx or .sav file: that of the dataset, or of other
        people through the columns that both have. `output` gets one long table: `implicate` 0 as
        given, 1 to m completed. Analyze each and pool: one filling alone is too sure. `tell` says
        what was filled and what each column is worth in respondents: pass it on word for word.
        `pairs` has verdict and bounds of columns that nobody answered together; an open pair has no
        figure, so never tabulate it from the rows, and state nothing that the user did not say.
        """
        with tool_errors():
            source, target = self._inside(path), self._inside(output)
            format_of(target, WRITTEN)
            done = await self._client.complete(
                dataset_id,
                source,
                columns=columns,
                implicates=implicates,
                unknown=unknown,
                pairs=pairs,
                independent=independent,
                sign=sign,
                impossible=impossible,
                seed=seed,
            )
            write_rows(done.long(), target)
            ids = {"generation_id": done.generation_id, "given_id": done.given_id}
            found = {"pairs": done.pairs} if done.pairs else {}
            return {"path": str(target), **ids, **found, "tell": [*done.sentences()]}

    async def download(
        self,
        generation_id: str,
        path: Local,
        plain: Annotated[
            bool,
            Field(description="CSV: commas, decimal points, ISO dates, whatever the upload had."),
        ] = False,
    ) -> Json:
        """Write a generation's rows to a .parquet, .csv, .arrow, .sav or .xlsx file.

        `tell` says which conditions are met and how good the rows are: likeness, privacy, worth.
        Pass it on word for word, before anybody uses or publishes them. `read_csv` reads a CSV as
        the same table as Parquet.
        """
        with tool_errors():
            target, how = self._inside(path), {}
            form = format_of(target)
            size = await self._client.download(generation_id, target, form, plain=plain)
            found = await self._client.generation(generation_id)
            worth = {"worth": found.sentence} if found.sentence else {}
            if form == "csv":
                with suppress(ApiError):  # rows outlive their dataset and its schema
                    schema = await self._client.schema(found.dataset_id)
                    how = {"read_csv": reading_of(schema, plain=plain).call(str(target))}
            return {"path": str(target), "bytes": size, **how, "tell": [*generated(found)], **worth}

"""Drafts: rows from a description, as a file in memory of which nothing is stored."""

import asyncio
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from simulacra_api.dependencies import CurrentTenant, TenantRoute, problems
from simulacra_api.generations.downloads import MEDIA_TYPES
from simulacra_api.generations.render import Format, render
from simulacra_api.generations.routes import FormatQuery
from simulacra_api.http.descriptions import check_description, description_problem
from simulacra_api.http.field_types import Seed
from simulacra_api.http.problems import invalid_fields
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.description import DescriptionInvalid
from simulacra_schema.drafts.domain import DraftRefused
from simulacra_schema.drafts.table import draft_table


class DraftRequest(BaseModel, extra="forbid"):
    """What to draw."""

    description: dict[str, Any] = Field(
        description="All columns (Data Package v2): categories, constraints.minimum and maximum of"
        " numbers and dates, x-simulacra.askedIf of skipped questions."
    )
    row_count: Annotated[int, Field(strict=True)] = Field(
        default=500, description="Number of rows, 1 to 10,000; fewer with many columns or quotas."
    )
    conditions: ConditionSet = Field(
        default_factory=ConditionSet, description="Stated shares, ranges and quotas."
    )
    seed: Seed = Field(default=0, description="The same one gives the same rows.")


def _draft_file(asked: DraftRequest, file_format: Format) -> bytes:
    """Return the file of a draft.

    Raises:
        Problem: 422 for a description that lacks what a draft needs, 400 for too many rows or
            conditions that cannot be met.
    """
    check_description(asked.description, "/description")
    try:
        rows = draft_table(asked.description, asked.row_count, asked.conditions, asked.seed)
    except DescriptionInvalid as error:
        raise description_problem(error.errors, "/description") from None
    except DraftRefused as error:
        raise invalid_fields(error.errors, "the request, checked against its description") from None
    part = pa.BufferOutputStream()
    pyarrow.parquet.write_table(rows, part)
    written = render([part.getvalue().to_pybytes()], file_format, rows=rows.num_rows)
    return b"".join(written)


_FILES = {
    media_type: {"schema": {"type": "string", **({} if name == "csv" else {"format": "binary"})}}
    for name, media_type in MEDIA_TYPES.items()
}
router = APIRouter(prefix="/v1", tags=["drafts"], route_class=TenantRoute)


@router.post(
    "/drafts",
    operation_id="makeDraft",
    summary="Draw rows from a description alone",
    responses=problems(400, 413, 415, 422) | {200: {"content": _FILES}},
    response_class=Response,
)
async def make_draft(
    asked: DraftRequest, repository: CurrentTenant, file_format: FormatQuery = "csv"
) -> Response:
    """A file of random answers, to test a script or a dashboard before there is data.

    Levels come equally often and each column is drawn alone, as far as conditions and skips do not
    say otherwise; the column `draft` marks each row. Nothing is stored.
    """
    content = await asyncio.to_thread(_draft_file, asked, file_format)
    headers = {"Content-Disposition": f'attachment; filename="draft.{file_format}"'}
    return Response(content, media_type=MEDIA_TYPES[file_format], headers=headers)

"""Route of drafts: rows from a description, of which nothing is stored."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response

from simulacra_api.dependencies import CurrentTenant, TenantRoute, problems
from simulacra_api.drafts.schemas import DraftRequest
from simulacra_api.drafts.service import draft_file
from simulacra_api.generations.downloads import MEDIA_TYPES
from simulacra_api.generations.routes import FormatQuery

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
    content = await asyncio.to_thread(draft_file, asked, file_format)
    headers = {"Content-Disposition": f'attachment; filename="draft.{file_format}"'}
    return Response(content, media_type=MEDIA_TYPES[file_format], headers=headers)

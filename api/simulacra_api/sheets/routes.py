"""Routes of answer sheets."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Response

from simulacra_api.dependencies import HTML, CurrentTenant, documented, small_document
from simulacra_api.generations.downloads import XLSX
from simulacra_api.http.etags import IfNoneMatch
from simulacra_api.results.routes import result_routes
from simulacra_api.sheets.service import SHEETS, sheet_file
from simulacra_api.tenancy.repository import snake_case
from simulacra_crds.kinds.answer_sheet import AnswerSheet
from simulacra_crds.tasks import SHEET, SHEET_PAGE, SHEET_WORKBOOK
from simulacra_schema.referee import sheet_program

PYTHON = "text/x-python"
router = result_routes(SHEETS)


@router.get(
    "/sheets/{sheet_id}/page",
    operation_id="getSheetPage",
    summary="Get the appendix: one HTML file without script",
    responses=documented(HTML, {"type": "string"}),
    response_class=Response,
)
async def get_sheet_page(
    sheet_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Any:
    """All that the answers rest on, to hand over and to print."""
    content = await sheet_file(repository, await repository.get(AnswerSheet, sheet_id), SHEET_PAGE)
    return small_document(content, HTML, if_none_match)


@router.get(
    "/sheets/{sheet_id}/xlsx",
    operation_id="getSheetWorkbook",
    summary="Get the answer sheet as an Excel workbook",
    responses=documented(XLSX, {"type": "string", "format": "binary"}),
    response_class=Response,
)
async def get_sheet_workbook(
    sheet_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Any:
    """Ranking, adjustment sets, checks, curves and statements, one sheet each."""
    content = await sheet_file(
        repository, await repository.get(AnswerSheet, sheet_id), SHEET_WORKBOOK
    )
    return small_document(content, XLSX, if_none_match)


@router.get(
    "/sheets/{sheet_id}/program",
    operation_id="getSheetProgram",
    summary="Get a Python program that repeats the answers",
    responses=documented(PYTHON, {"type": "string"}),
    response_class=Response,
)
async def get_sheet_program(
    sheet_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Any:
    """Questions and intervals, no rows: a referee runs it on the table, with pandas alone."""
    content = await sheet_file(repository, await repository.get(AnswerSheet, sheet_id), SHEET)
    program = sheet_program(snake_case(json.loads(content))).encode()
    return small_document(program, PYTHON, if_none_match)

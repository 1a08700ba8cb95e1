"""Rows from a description, as a file in memory."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet

from simulacra_api.drafts.schemas import DraftRequest
from simulacra_api.generations.render import Format, render
from simulacra_api.http.descriptions import check_description, description_problem
from simulacra_api.http.problems import invalid_fields
from simulacra_schema.description import DescriptionInvalid
from simulacra_schema.drafts.domain import DraftRefused
from simulacra_schema.drafts.table import draft_table


def draft_file(asked: DraftRequest, file_format: Format) -> bytes:
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

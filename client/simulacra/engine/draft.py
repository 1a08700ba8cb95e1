"""Draw rows from a description alone, without data, a model or a server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from simulacra.engine.errors import pointed
from simulacra.engine.results import SavedRows
from simulacra.errors import EngineError
from simulacra.models import Json, Schema
from simulacra.optional import optional
from simulacra.quota_cells import Quotas, quotas_of
from simulacra.rows import Bounds, conditions_of


class Draft(SavedRows):
    """Rows of a draft: `table` is a `pyarrow.Table`, whose last column `draft` marks each row."""

    def _lines(self) -> Iterator[str]:
        yield f"{len(self):,} rows of a draft, made from a description: no respondent's data"


def draft(
    description: Json | str | Path,
    row_count: int = 500,
    *,
    shares: Mapping[str, Mapping[str, float]] | None = None,
    ranges: Mapping[str, Bounds] | None = None,
    quotas: Quotas | None = None,
    conditions: Json | None = None,
    seed: int = 0,
) -> Draft:
    """Draw rows from the description of a questionnaire, to test a script before there are answers.

    Levels come equally often and numbers are uniform, each column alone, as far as shares, quotas
    and skips (`askedIf`) do not say otherwise. The rows tell nothing of any population.

    Args:
        description: of all columns (Data Package v2), or the path of its JSON file.
        row_count: number of rows, 10,000 at most.
        shares: of levels, by column, as for `Model.generate`; met to the row.
        ranges: of numbers and dates, by column, as for `Model.generate`.
        quotas: shares of cells, as for `Model.generate`; met to the row.
        conditions: all as one object, as for `Client.generate`.
        seed: of the random numbers; the same one gives the same rows.

    Raises:
        ValueError: the description lacks what a draft needs, or the shares cannot be met.
        ModuleNotFoundError: pyarrow is missing; the message says how it is installed.
    """
    optional("pyarrow", "frames")
    document = _document(description)
    cells = None
    if quotas is not None:
        cells = quotas_of(quotas, draft_schema(document), rows=row_count)
    wanted = conditions_of(conditions, shares, ranges, cells)
    with _plain_errors():
        from simulacra_schema.conditions import ConditionSet
        from simulacra_schema.drafts.table import draft_table

        asked = ConditionSet.model_validate(wanted or {})
        return Draft(draft_table(document, row_count, asked, seed))


def draft_schema(description: Json | str | Path) -> Schema:
    """Return the columns that a draft has, with their levels and ranges.

    Raises:
        ValueError: the description lacks what a draft needs.
    """
    with _plain_errors():
        from simulacra_schema.drafts.questions import questionnaire_of

        schema = questionnaire_of(_document(description)).schema
        return Schema(schema.model_dump(mode="json", exclude_none=True))


def _document(description: Json | str | Path) -> Json:
    if not isinstance(description, str | Path):
        return description
    try:
        return dict(json.loads(Path(description).read_bytes()))
    except (ValueError, TypeError):
        raise EngineError(f"{description} is not a JSON object. Write it as {{...}}.") from None


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what is wrong with a description or its shares into an EngineError."""
    from pydantic import ValidationError

    from simulacra_schema.description import DescriptionInvalid
    from simulacra_schema.drafts.domain import DraftRefused

    try:
        yield
    except (DescriptionInvalid, DraftRefused) as error:
        found, detail = [(one.pointer, one.detail) for one in error.errors], str(error)
    except ValidationError as error:
        found, detail = pointed(error, "/conditions"), "The conditions are not valid."
    else:
        return
    raise EngineError(detail, [{"pointer": at, "detail": text} for at, text in found]) from None

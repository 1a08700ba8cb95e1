"""Cleaning under a description, and the completed description of the result."""

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from simulacra_intake.description.complete import complete
from simulacra_intake.description.layout import NOTHING_STATED, layout_of
from simulacra_intake.description.statements import state
from simulacra_intake.raw_table import RawTable
from simulacra_intake.readers.unnamed import settle_unnamed
from simulacra_schema.description import Description
from simulacra_schema.wave_summary import WaveSummary
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.waves.labels import check_order


@dataclass(frozen=True)
class DescribedTable:
    """A cleaned table and its completed description, a JSON object."""

    clean: CleanTable
    document: dict[str, Any]


def clean_described(
    raw: pa.Table | RawTable,
    description: Description = NOTHING_STATED,
    weights: str | None = None,
    earlier: WaveSummary | None = None,
) -> DescribedTable:
    """Clean a table as its description says, and complete the description.

    A property that the product found counts only if the user changed it since. So a completed
    description, sent back unchanged, changes nothing.

    raw: a table from `open_table`; weights: the column of survey weights that the upload names.

    Raises:
        InputError: as `clean_table`; the summary has a wave that is not earlier; reason
            DescriptionMismatch with all errors of a description that the data contradict.
    """
    names = settle_unnamed(raw)[0].column_names
    statements = replace(state(description, names, weights), earlier=earlier)
    clean = clean_table(raw, statements=statements)
    if earlier is not None:
        check_order(earlier, clean.schema)
        from simulacra_trainer.waves.matched import ask_about_earlier  # imports the engine

        ask_about_earlier(clean.table, clean.schema, earlier)
    layout = layout_of(raw.schema, description)
    document = complete(clean.schema, names, layout, description, statements, clean.proposals)
    return DescribedTable(clean, document)

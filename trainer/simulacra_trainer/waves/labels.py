"""Labels of waves: that of a table without waves, and the order after a summary."""

from simulacra_intake.errors import invalid_request
from simulacra_intake.persons.cross_sections import is_wave_name
from simulacra_schema.table import TableSchema
from simulacra_schema.wave_summary import WaveSummary, later

MESSAGE = "The summary of earlier waves does not go before this table."
_LINKED = (
    "Rows belong to persons who answer several times, and a summary is of other persons each time. "
    "Upload the table without it."
)
_NOT_EARLIER = (
    "The summary ends with wave {last!r}, and the table begins with {first!r}. Leave the waves of "
    "the summary out of the table, or hand back an earlier summary."
)


def label_of(schema: TableSchema, earlier: WaveSummary | None) -> tuple[str | None, str]:
    """Return the column that names the wave of a table that is one, and the wave's label.

    It is the one value of the column of the earlier waves, or of one that is called as waves are;
    else the next number.
    """
    before = [] if earlier is None else earlier.labels
    known = None if earlier is None else earlier.column
    for column in schema.columns:
        named = column.name == known if before else is_wave_name(column.name)
        if column.constant is not None and named:
            return column.name, str(column.constant)
    number = int(before[-1]) + 1 if before and before[-1].isdigit() else len(before) + 1
    return known, str(number)


def check_order(earlier: WaveSummary, schema: TableSchema) -> None:
    """Raise InputError unless all waves of the summary are before those of the table."""
    detail = None
    column = schema.wave()
    if schema.subject() is not None:
        detail = _LINKED
    elif earlier.waves:
        last = earlier.labels[-1]
        labels = [label_of(schema, earlier)[1]] if column is None else column.level_values()
        if set(labels) & set(earlier.labels) or not later(labels[0], last):
            detail = _NOT_EARLIER.format(last=last, first=labels[0])
    if detail is not None:
        raise invalid_request(MESSAGE, detail, "/earlier")

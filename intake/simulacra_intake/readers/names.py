"""Names of columns, made whole and checked, and the number of rows and columns."""

from collections import Counter
from collections.abc import Sequence

from simulacra_intake.errors import invalid_upload, too_small
from simulacra_intake.limits import MAX_COLUMNS, MAX_NAME, MAX_ROWS, MIN_COLUMNS, MIN_ROWS

UNNAMED = "(column {})"
MAX_NAME_NOTES = 20


def settle_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return names for all columns, and notes on those that were missing or given twice.

    A column without a name is named by its place; the second "Q5" becomes "Q5 (2)".
    """
    check_column_count(len(names))
    settled: list[str] = []
    taken = set(names)
    notes = []
    for place, name in enumerate(names, start=1):
        own = name if name.strip() else UNNAMED.format(place)
        if own in settled:
            own = next(
                one for n in range(2, len(names) + 2) if (one := f"{name} ({n})") not in taken
            )
            notes.append(f"a name that two columns have was changed to {own!r}")
        taken.add(own)
        settled.append(own)
    if len(notes) > MAX_NAME_NOTES:
        notes = [f"names that two columns have were numbered: {len(notes)}"]
    check_names(settled)
    return settled, notes


def check_names(names: Sequence[str]) -> None:
    """Refuse missing, duplicate and long names, and names with control characters.

    Raises:
        InputError: with the position or the name in its detail.
    """
    check_column_count(len(names))
    empty = [i + 1 for i, name in enumerate(names) if not name.strip()]
    if empty:
        raise invalid_upload(
            "Every column needs a name.", f"Column {_some(empty)} has none: name it or remove it."
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise invalid_upload(
            "Column names must differ.", f"More than one column is named {_some(map(repr, twice))}."
        )
    long = [i + 1 for i, name in enumerate(names) if len(name) > MAX_NAME]
    if long:
        raise invalid_upload(
            f"A column name may have {MAX_NAME} characters at most.",
            f"Shorten column {_some(long)}.",
        )
    odd = [i + 1 for i, name in enumerate(names) if any(ord(c) < 32 or ord(c) == 127 for c in name)]
    if odd:
        raise invalid_upload(
            "Column names must not hold line breaks or control characters.",
            f"Rename column {_some(odd)}.",
        )


def check_column_count(count: int) -> None:
    """Refuse fewer than MIN_COLUMNS or more than MAX_COLUMNS columns."""
    if count > MAX_COLUMNS:
        raise invalid_upload(
            f"A table may have {MAX_COLUMNS:,} columns at most.", f"This one has {count:,}."
        )
    if count < MIN_COLUMNS:
        raise too_small(
            f"The table has {count} column; at least {MIN_COLUMNS} are needed.",
            "If the file has more, separate cells by commas, semicolons, tabs or vertical bars.",
        )


def check_row_count(count: int) -> None:
    """Refuse fewer than MIN_ROWS or more than MAX_ROWS rows."""
    if count > MAX_ROWS:
        raise invalid_upload(
            f"A table may have {MAX_ROWS:,} rows at most.", "Upload a sample of it."
        )
    if count == 0:
        raise too_small(
            "The table has column names but no rows.", f"At least {MIN_ROWS} rows are needed."
        )
    if count < MIN_ROWS:
        raise too_small(f"The table has {count} rows; at least {MIN_ROWS} are needed.")


def _some(items: object) -> str:
    """Name the first three of several."""
    texts = [str(item) for item in items]  # type: ignore[attr-defined]
    return ", ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")

"""Lines of a sheet that are not rows: titles above the header, further header lines, totals."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from simulacra_intake.columns.distinct_values import MISSING_TOKENS, SOFT_MISSING_TOKENS
from simulacra_intake.columns.specials import special_words

SAMPLE_ROWS = 200
MOST_FURTHER = 3
"""Further header lines at most."""
MOST_BELOW = 5
"""Lines below the table at most."""
MIN_GROUPS = 2
"""Groups in a line above the names; one cell is a title."""
_NOTE_WIDTH, _NOTE_WORDS = 3, 3
"""Fewest columns of a table, and words of a line of one cell below it, that is no row."""
_TITLE_SHARE = 0.25
"""Filled cells of a title line at most, as a share of the usual number of cells."""
_NUMBER = re.compile(r"[-+(]?[^\w\s]{0,2}\s?\d[\d.,\s'’%]*\)?\s?[^\W\d]{0,4}[%€$£.]?")
_DATE = re.compile(
    r"\d{1,4}[-/.]\s?\d{1,2}[-/.]\s?\d{1,4}([ T]\d{1,2}:\d\d.*)?|\d{1,2}:\d\d(:\d\d)?"
)
_LONGEST_VALUE = 40
_LEAST_LETTERS = 2
"""Letters of a label; "65+" is a value."""
_EXPORT = re.compile(r'^\{"?ImportId|^(Open-Ended )?Response$')
_TOTAL = re.compile(
    r"((grand |sub)?totals?|sum(me|ma|a)?|(ins)?gesamt|gesamtsumme|total\w{0,2}( géneral)?"
    r"|totaal|somme|razem|suma|ogółem|celkem|összesen|i alt|totalt|sammanlagt|yhteensä|toplam"
    r"|итого|всего|σύνολο|average|mean|mittelwert|durchschnitt) ?:?"
    r"|n ?[=:].*|(source|quelle|fuente|fonte|źródło|bron|källa|kilde|note|hinweis)s? ?:.*",
    re.I,
)
Row = Sequence[str]


@dataclass(frozen=True)
class Layout:
    """Where the header of a sheet is.

    Attributes:
        header: place of the row of names, 0 if there is no line above it.
        rows: number of header rows; those after the first hold labels.
        names: of the columns; "" for a column without one.
        labels: of the columns, from the further header rows; "" for none.
    """

    header: int
    rows: int
    names: list[str]
    labels: list[str]

    def notes(self) -> list[str]:
        """Return what was left out above the rows."""
        above = f"lines above the column names were left out: {self.header}"
        further = f"further header lines were read as labels: {self.rows - 1}"
        return [above] * (self.header > 0) + [further] * (self.rows > 1)


def find_layout(rows: Sequence[Row]) -> Layout:
    """Return the layout of a sheet by its first SAMPLE_ROWS rows, none of them empty."""
    header = titles_above(rows)
    if _is_group_line(rows, header):
        below = find_layout(rows[header:])
        names = _under_groups([cell.strip() for cell in rows[header - 1]], below.names)
        return Layout(header - 1, 1 + below.rows, names, below.labels)
    names = [cell.strip() for cell in rows[header]] if rows else []
    further = _further_lines(names, rows[header + 1 :])
    lines = [[cell.strip() for cell in row] for row in rows[header + 1 : header + 1 + further]]
    labels = ["" for _ in names]
    for line in reversed(lines):
        if not all(_EXPORT.match(cell) for cell in line if cell):
            labels = [cell or label for cell, label in zip(line, labels, strict=True)]
    if lines and "" in names:
        names = _grouped(names, lines[0])
    return Layout(header, 1 + further, names, labels)


def titles_above(rows: Sequence[Row]) -> int:
    """Return the number of title lines: few filled cells, and a row of names after them."""
    usual = usual_width(rows)
    for place, row in enumerate(rows):
        if usual < 2 or filled(row) > max(1.0, _TITLE_SHARE * usual):
            named = len(row) == usual and not any(_is_value(cell) for cell in row)
            return place if named else 0
    return 0


def _is_group_line(rows: Sequence[Row], header: int) -> bool:
    """Return whether the line above the names groups them, as merged cells do: several words."""
    if header == 0 or len(rows[header - 1]) != len(rows[header]):
        return False
    groups = [cell.strip() for cell in rows[header - 1] if cell.strip()]
    short = all(len(group) <= _LONGEST_VALUE and ":" not in group for group in groups)
    return len(set(groups)) == len(groups) >= MIN_GROUPS and short and all(map(_is_label, groups))


def _under_groups(groups: list[str], names: list[str]) -> list[str]:
    """Return each name behind the group that stands above it or before that."""
    return [
        f"{group}: {name}" if group and name else name or group
        for group, name in zip(_spread(groups), names, strict=True)
    ]


def _spread(cells: list[str]) -> Iterator[str]:
    """Yield each cell, and for a blank one the last before it, as merged cells mean it."""
    return accumulate(cells, lambda last, own: own or last)


def usual_width(rows: Sequence[Row]) -> int:
    """Return the number of cells that most rows have."""
    return Counter(map(len, rows)).most_common(1)[0][0] if rows else 0


def filled(row: Row) -> int:
    """Return the number of cells that are not blank."""
    return sum(bool(cell.strip()) for cell in row)


def is_below(row: Row, width: int) -> bool:
    """Return whether a row at the end is a total, a note, or blank."""
    first = next((cell.strip() for cell in row if cell.strip()), "")
    if not first:
        return True
    alone = filled(row) == 1 and bool(row[0].strip())
    if alone and width >= _NOTE_WIDTH and len(first.split()) >= _NOTE_WORDS:
        return True  # a sentence, such as a copyright
    mostly_empty = filled(row) < width and filled(row) <= max(2.0, 0.5 * width)
    return mostly_empty and len(first) <= 200 and _TOTAL.fullmatch(first) is not None


def below_notes(count: int) -> list[str]:
    """Return the note on lines below the table."""
    return [f"totals and notes below the rows were left out: {count}"] if count else []


def _further_lines(names: list[str], rows: Sequence[Row]) -> int:
    count = 0
    for place, row in enumerate(rows[:MOST_FURTHER]):
        later = rows[place + 1 :]
        if len(row) != len(names):
            break
        if not (_is_further(row, later) or (place == 0 and _names_the_rest(names, row, later))):
            break
        count = place + 1
    return count


def _is_further(row: Row, later: Sequence[Row]) -> bool:
    """Return whether a row describes columns: words where all later cells are values."""
    cells = [cell.strip() for cell in row]
    if sum(bool(_EXPORT.match(cell)) for cell in cells) >= max(1, 0.3 * filled(row)):
        return True
    below = [
        [other[i].strip() for other in later if i < len(other) and other[i].strip()]
        for i in range(len(cells))
    ]
    # A further header line may stand between; its words are no evidence against values.
    valued = [
        i
        for i, column in enumerate(below)
        if len(column) > MOST_FURTHER and all(map(_is_value, column[MOST_FURTHER - 1 :]))
    ]
    if not valued or not all(_is_label(cells[i]) for i in valued):
        return False
    unseen = [cell not in column for cell, column in zip(cells, below, strict=True) if cell]
    return sum(unseen) >= 0.8 * len(unseen) and len(later) > MOST_FURTHER


def _names_the_rest(names: list[str], row: Row, later: Sequence[Row]) -> bool:
    """Return whether a row names the columns that the first leaves out (SurveyMonkey).

    It has words there, and blank cells where every other row has a value.
    """
    unnamed = [i for i, name in enumerate(names) if not name]
    if not unnamed or len(later) <= MOST_FURTHER:
        return False
    if not all(row[i].strip() for i in unnamed) or any(map(_is_value, row)):
        return False
    blank = [i for i, cell in enumerate(row) if not cell.strip()]
    return any(all(i < len(other) and other[i].strip() for other in later) for i in blank)


def _is_label(cell: str) -> bool:
    """Return whether a cell above values describes them: not blank, no value, no "no answer"."""
    word = cell.lower()
    no_value = word in MISSING_TOKENS or word in SOFT_MISSING_TOKENS or word in special_words()
    return sum(c.isalpha() for c in cell) >= _LEAST_LETTERS and not no_value and not _is_value(cell)


def _is_value(cell: str) -> bool:
    cell = cell.strip()
    if len(cell) > _LONGEST_VALUE:
        return False
    return bool(_NUMBER.fullmatch(cell) or _DATE.fullmatch(cell)) and not _is_year(cell)


def _is_year(cell: str) -> bool:
    return cell.isdigit() and 1500 <= int(cell) <= 2500


def _grouped(names: list[str], second: list[str]) -> list[str]:
    """Return names where a name stands above several columns (SurveyMonkey, merged cells)."""
    ends = [*map(bool, names[1:]), True]
    return [
        name if (name and ends_here) or not below else f"{group}: {below}" if group else below
        for name, group, ends_here, below in zip(names, _spread(names), ends, second, strict=True)
    ]

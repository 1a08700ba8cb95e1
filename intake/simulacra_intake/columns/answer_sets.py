"""Neighboring columns of one question: sets of options that are chosen or not, and grids."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from simulacra_schema.formats.file_labels import AnswerSet
from simulacra_schema.table import ColumnSchema

MIN_COLUMNS = 3
MAX_LEVELS = 11
NOT_CHOSEN = {"0", "no", "false", "n", "f", "nein", "non", "não", "nao", "nee", "nej", "nie", "ei"}
"""Levels that mean "not chosen", in lower case; of 1 and 2, questionnaires count 1."""
_RARE = {size: 0 if size <= 3 else 1 if size <= 7 else 2 for size in range(MAX_LEVELS + 1)}
"""Levels that nobody gave to an item of a grid, by the number of levels."""
_OWN = "\0"
"""Stem of columns that hold nothing but their own names (Typeform)."""
_ITEM = (
    re.compile(r"^(?P<stem>.+?)(?P<sign>[_.\-])(?P<item>[A-Za-z]?\d+[A-Za-z]?)$"),
    re.compile(r"^(?P<stem>[A-Za-z]\w*)(?P<sign>\[)(?P<item>\w+)\]\W.*$"),
    re.compile(r"^(?P<stem>.+?)(?P<sign>\[)(?P<item>[^\]]+)\]$"),
    re.compile(r"^(?P<stem>.+)(?P<sign>/)(?P<item>[^/\s]+)$"),
    re.compile(r"^(?P<stem>[A-Za-z]+\d*)(?P<sign>[_.])(?P<item>\d+[a-z]?)[ .:)].+$"),
    re.compile(r"^(?P<stem>.+?)(?P<sign>: | - | \| )(?P<item>.+)$"),
    re.compile(r"^(?P<stem>\S*?[A-Za-z]\d*)(?P<sign>)(?P<item>[a-z])$"),
    re.compile(r"^(?P<stem>.*?[^\W\d_])(?P<sign>)(?P<item>\d+)$"),
)
"""Q5_1, Q5.1; "G2Q1[SQ001]. Text" (LimeSurvey); G2Q1[SQ001]; water/source/tap (ODK); "Q6_1 TV";
Brands: X; q5a; item12.
"""
_ITEM_FIRST = re.compile(r"^(?P<item>[^:]+):(?P<stem>[^:]+)$")
"""X:Which brands? (Alchemer)."""
LEAST_SCALE = 4
"""Levels of a scale that make a grid of neighbors whose names have nothing in common."""
_SCALE = "\1"
"""Stem of columns on a scale that share no stem."""


def find_sets(
    columns: Sequence[ColumnSchema], declared: Sequence[AnswerSet]
) -> tuple[list[AnswerSet], list[AnswerSet]]:
    """Return the sets and the grids among the columns.

    declared: sets of the file, which come first; its columns are in no other set or grid.
    """
    by_name = {column.name: column for column in columns}
    sets = [_with_level(each, by_name) for each in declared if each.kind != "grid"]
    taken = {name for each in sets for name in each.columns}
    grids: list[AnswerSet] = []
    for stem, group in by_stem([c for c in columns if c.name not in taken], _alike):
        names = [column.name for column in group]
        stem = _name(stem, group)
        if _kind(group) == "grid":
            grids.append(AnswerSet(name=stem, columns=names, kind="grid"))
        else:
            counted = _counted(group)
            sets.append(AnswerSet(name=stem, columns=names, kind="dichotomies", counted=counted))
    return sets, grids


def _with_level(each: AnswerSet, columns: dict[str, ColumnSchema]) -> AnswerSet:
    """Return the set with the level of the code that the file counts."""
    if each.counted is None or each.columns[0] not in columns:
        return each
    levels = columns[each.columns[0]].levels
    counted = next((level.value for level in levels if level.code == each.counted), each.counted)
    return each.model_copy(update={"counted": counted})


def by_stem(
    columns: Sequence[ColumnSchema], alike: Callable[[Sequence[ColumnSchema]], bool]
) -> Iterator[tuple[str, list[ColumnSchema]]]:
    """Yield stem and columns of each question: neighbors of one stem, at least MIN_COLUMNS.

    alike: whether columns of one stem may belong to one question.
    """
    stems, group = list[str](), list[ColumnSchema]()
    for column in columns:
        own = _stems(column)
        shared = [stem for stem in stems if stem in own]
        if group and shared and alike([*group, column]):
            group.append(column)
            stems = shared
            continue
        if len(group) >= MIN_COLUMNS:
            yield stems[0], group
        stems, group = own, [column] if own and alike([column]) else []
    if len(group) >= MIN_COLUMNS:
        yield stems[0], group


def _name(stem: str, group: Sequence[ColumnSchema]) -> str:
    return group[0].name if stem in (_OWN, _SCALE) else stem


def _has_scale(column: ColumnSchema) -> bool:
    return column.kind == "ordinal" and len(_levels(column)) >= LEAST_SCALE


def _stems(column: ColumnSchema) -> list[str]:
    """Return what the names of columns of one question may have in common, surest first."""
    if _levels(column) == {column.name}:
        return [_OWN]
    match = next((m for form in _ITEM if (m := form.match(column.name))), None)
    found = [match["stem"].strip()] if match else []
    if item_first := _ITEM_FIRST.match(column.name):
        found.append(item_first["stem"].strip())
    return found or ([_SCALE] if _has_scale(column) else [])


def _alike(group: Sequence[ColumnSchema]) -> bool:
    """Return whether the columns have the same levels, or each has one and is else blank."""
    each = [_levels(column) for column in group]
    if any(column.kind == "multi" or not column.learned for column in group) or not all(each):
        return False
    if all(len(levels) == 1 for levels in each):
        return True
    union = set().union(*each)
    if not 2 <= len(union) <= MAX_LEVELS:
        return False
    return all(len(union) - len(levels) <= _RARE[len(union)] for levels in each)


def _levels(column: ColumnSchema) -> set[str]:
    return {level.value.removesuffix(".0") for level in column.levels if not level.special}


def _kind(group: Sequence[ColumnSchema]) -> Literal["dichotomies", "grid"]:
    union = set().union(*map(_levels, group))
    single = all(len(_levels(column)) == 1 for column in group)
    return "dichotomies" if single or len(union) <= 2 else "grid"


def _counted(group: Sequence[ColumnSchema]) -> str | None:
    """Return the level of a chosen option; None where each column has a level of its own."""
    levels = {level.value for column in group for level in column.levels if not level.special}
    not_chosen = NOT_CHOSEN | ({"2"} if "1" in levels or "1.0" in levels else set())
    chosen = [level for level in levels if level.removesuffix(".0").lower() not in not_chosen]
    return chosen[0] if len(chosen) == 1 else None

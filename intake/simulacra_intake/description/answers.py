"""Several answers in a cell, and columns of one question, as the user states them."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.columns.distinct_values import Words
from simulacra_intake.columns.parse.numerals import ENOUGH
from simulacra_intake.columns.recognizers.answers import (
    MAX_OPTIONS,
    MIN_ROWS,
    SEPARATORS,
    Answers,
    answers_column,
    can_be_named,
    find_answers,
)
from simulacra_intake.columns.text_column import TextColumn
from simulacra_intake.description.statements import Problems, Statement, Statements
from simulacra_schema.description_parts import EXTENSION, ColumnGroup
from simulacra_schema.did_you_mean import closest
from simulacra_schema.formats.file_labels import AnswerSet
from simulacra_schema.table import ColumnSchema

TOO_MANY = f"The cells hold more than {MAX_OPTIONS} options. List those that count."
OTHERS = "More than 1 % of the cells hold other options. List them too."
TAKEN = "Another column is named like one of the options, or such a name is too long."


def list_column(column: TextColumn, statement: Statement, problems: Problems) -> CleanColumn | None:
    """Return a column of several answers, by the stated options or those that cells hold."""
    answers = _answers(column.words, statement, problems)
    if answers is None:
        return None
    if not can_be_named(column, answers.options):
        problems.add(statement.at("options", "type"), TAKEN)
        return None
    return answers_column(column, answers)


def _answers(words: Words, statement: Statement, problems: Problems) -> Answers | None:
    field = statement.field
    found = None if field.delimiter or field.extension.options else find_answers(words)
    if found is not None:
        return found
    sign = field.delimiter or _usual_sign(words)
    cells = [[p.strip() for p in word.split(sign)] for word in words.levels.to_pylist()]
    rows: Counter[str] = Counter()
    for parts, count in zip(cells, words.counts.tolist(), strict=True):
        rows.update({part: count for part in parts if part})
    options = field.extension.options or [one for one, n in rows.items() if n >= MIN_ROWS]
    if not 1 <= len(options) <= MAX_OPTIONS:
        problems.add(statement.at("options", "delimiter", "type"), TOO_MANY)
        return None
    unheld = [i for i, option in enumerate(options) if option not in rows]
    others = [one for one, n in rows.most_common() if n >= MIN_ROWS and one not in options]
    for i in unheld:
        detail = f"No cell holds this option.{closest(options[i], others)}"
        problems.add((*statement.at("options"), i), detail)
    place = {option: i for i, option in enumerate(options)}
    chosen = np.zeros((len(cells), len(options)), np.bool_)
    strange = np.zeros(len(cells), np.bool_)
    for row, parts in enumerate(cells):
        for part in filter(None, parts):
            if part in place:
                chosen[row, place[part]] = True
            else:
                strange[row] = True
    lost = int(words.counts[strange].sum())
    if not unheld and lost > (1 - ENOUGH) * words.present:
        problems.add(statement.at("options", "delimiter", "type"), OTHERS)
    if unheld or lost > (1 - ENOUGH) * words.present:
        return None
    alone = chosen[chosen.sum(axis=1) == 1].any(axis=0)
    together = chosen[chosen.sum(axis=1) > 1].any(axis=0)
    several = [word for word in words.levels.to_pylist() if sign in word.rstrip(sign + " ")]
    spaced = sum(f"{sign} " in word for word in several) > len(several) / 2
    ended = [word.rstrip().endswith(sign) for word in words.levels.to_pylist()]
    return Answers(
        options=list(options),
        chosen=chosen,
        separator=f"{sign} " if spaced else sign,
        terminated=bool(ended) and all(ended),
        exclusive=alone & ~together,
        dropped=lost,
    )


def _usual_sign(words: Words) -> str:
    """Return the separator that most distinct cells hold; a comma if none does."""
    cells = words.levels.to_pylist()
    counts = {sign: sum(sign in cell for cell in cells) for sign in SEPARATORS}
    return max(counts, key=lambda sign: counts[sign]) if any(counts.values()) else ","


def stated_sets(
    columns: Sequence[ColumnSchema], statements: Statements, found: list[AnswerSet], key: str
) -> list[AnswerSet]:
    """Return the stated sets or grids (key) of the table, or the found ones if none are stated."""
    extension = statements.problems.description.extension
    groups: Sequence[ColumnGroup] | None = getattr(extension, key)
    if groups is None or not extension.is_stated(key, groups):
        return found
    by_name = {column.name: column for column in columns}
    result = []
    for place, group in enumerate(groups):
        path = (EXTENSION, key, place)
        unknown = [i for i, name in enumerate(group.fields) if name not in by_name]
        for i in unknown:
            detail = f"The table has no such column.{closest(group.fields[i], list(by_name))}"
            statements.problems.add((*path, "fields", i), detail)
        members = [by_name[name] for name in group.fields if name in by_name]
        result.append(_group(group, members, key, (*path,), statements.problems))
    return result


def of_columns(groups: Sequence[AnswerSet], kept: Collection[str]) -> list[AnswerSet]:
    """Return the groups without dropped columns."""
    left = [
        group.model_copy(update={"columns": [name for name in group.columns if name in kept]})
        for group in groups
    ]
    return [group for group in left if len(group.columns) > 1]


def _group(
    group: ColumnGroup,
    members: Sequence[ColumnSchema],
    key: str,
    path: tuple[str | int, ...],
    problems: Problems,
) -> AnswerSet:
    counted, kind = getattr(group, "counted", None), getattr(group, "type", None)
    held = {level.value for column in members for level in column.levels}
    if counted is not None and counted not in held:
        detail = f"No column of the set holds this level.{closest(counted, sorted(held))}"
        problems.add((*path, "counted"), detail)
    several = any(len(_answers_of(column)) > 2 for column in members)
    if key == "sets" and kind == "dichotomy" and several:
        problems.add((*path, "type"), "A column of the set holds more than two answers.")
    if key == "grids" and (at := _unlike(members)) is not None:
        detail = "This column shares no level with the first one, so they are no grid."
        problems.add((*path, "fields", at), detail)
    return AnswerSet(
        name=group.name,
        columns=group.fields,
        kind="grid"
        if key == "grids"
        else "categories"
        if kind == "category" or several
        else "dichotomies",
        counted=counted,
    )


def _answers_of(column: ColumnSchema) -> set[str]:
    return {level.value for level in column.levels if not level.special}


def _unlike(members: Sequence[ColumnSchema]) -> int | None:
    """Return the place of a column without a level of the first one."""
    first = _answers_of(members[0]) if members else set()
    unlike = (i for i, column in enumerate(members) if not first & _answers_of(column))
    return next(unlike, None)

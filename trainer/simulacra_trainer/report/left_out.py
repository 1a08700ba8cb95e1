"""What reports and rows leave out or replace, column by column, and words that few persons gave.

An attacker who has the rows alone reads the words in them. A word that one to four persons gave may
name or single them out, so rows that carry such words are not called private.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints, persons_a_group, persons_in
from simulacra_schema.table import YES, ColumnSchema, TableSchema
from simulacra_trainer.report.comparison.columns import is_category, level_codes

Bools = npt.NDArray[np.bool_]
NOTES = {
    f"options of fewer than {MIN_PERSONS} persons were left out": "options_left_out",
    f"words of fewer than {MIN_PERSONS} persons were replaced by others": "words_replaced",
    f"levels of fewer than {MIN_PERSONS} persons are in the level beside them": "words_replaced",
}
"""Notes of cleaning, whose counts of cells are repeated."""


def left_out(
    real: pa.Table,
    generated: pa.Table,
    schema: TableSchema,
    read: Sequence[Mapping[str, Any]],
    pictures: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what is left out or replaced; it names columns, and no answers.

    `rare_levels` are the answers of fewer than five persons, `rare_rows` the share of real rows
    that have one (None where these are of one to four persons), and `few_rows` the share of
    generated rows. `single_levels` and `single_rows` are those of one person. `options_left_out`
    and `words_replaced` count cells that cleaning changed. `pooled` is the level of rare words,
    None without one; `public` says that it is written as public levels, and whether the user listed
    them; `single_levels` and `single_rows` count public ones of one person too.

    read: `facts.columns_read`, which says what becomes of each column; pictures: `marginals`.
    """
    persons = persons_in(real, schema)
    shown = {one["column"] for one in pictures if one["cells"] or one["edges"]}
    notes = {(n.column, NOTES[n.action]): n.count for n in schema.cleaning if n.action in NOTES}
    used = {one["column"]: one["use"] for one in read}
    carry = {of: np.zeros(generated.num_rows, np.bool_) for of in ("few", "single")}
    columns: list[dict[str, Any]] = []
    for column in schema.columns:
        parts = [part for part in column.parts() if column.learned]
        found = [_rare(real, generated, part, column, persons) for part in parts]
        counts = {
            "rare_levels": sum(one[0] for one in found),
            "single_levels": sum(one[1] for one in found),
            "rare_rows": _share(_any([one[2] for one in found], real.num_rows), persons),
        }
        drawn = {"few": [one[3] for one in found], "single": [one[4] for one in found]}
        for of, with_them in drawn.items():
            rows = _any(with_them, generated.num_rows)
            carry[of] |= rows
            counts[f"{of}_rows"] = _rounded_share(rows)
        if (public := column.published) is not None and public.single:
            counts["single_levels"] = public.single
            share = (_pooled(column) or {"rows": 0.0})["rows"]
            counts["single_rows"] = round(share * public.single / len(public.words), 4)
        columns.append(
            {
                "column": column.name,
                "use": used[column.name],
                **counts,
                **{of: notes.get((column.name, of), 0) for of in dict.fromkeys(NOTES.values())},
                "pooled": _pooled(column),
                "public": public and {"words": len(public.words), "listed": public.listed},
                "pictured": bool({part.name for part in parts} & shown),
            }
        )
    return {
        "columns": columns,
        **{f"{of}_columns": sum(one[f"{of}_rows"] > 0 for one in columns) for of in carry},
        **{f"{of}_rows": _rounded_share(rows) for of, rows in carry.items()},
    }


def _pooled(column: ColumnSchema) -> dict[str, Any] | None:
    """Return the level that stands for rare words, how many, and the share of rows that has it."""
    level = next((one for one in column.levels if one.pooled), None)
    if level is None:
        return None
    rows = round(level.share * (1 - column.missing_share), 4)
    return {"level": level.value, "words": level.pooled, "rows": rows}


def figures_of_words(found: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the figures of words of few persons and of one, without names, for a status."""
    if found is None:
        return {}
    parts = ("columns", "rows")
    figures = {f"rare_word_{of}": float(found[f"few_{of}"]) for of in parts}
    return figures | {f"single_word_{of}": float(found[f"single_{of}"]) for of in parts}


def _rare(
    real: pa.Table,
    generated: pa.Table,
    part: ColumnSchema,
    column: ColumnSchema,
    persons: Ints | None,
) -> tuple[int, int, Bools, Bools, Bools]:
    """Return the numbers of rare and single levels, and the rows that have them.

    Rows: real and generated ones with a rare level, and generated ones with a single one.
    """
    nothing = np.zeros(generated.num_rows, np.bool_)
    none = 0, 0, np.zeros(real.num_rows, np.bool_), nothing, nothing
    if part.name not in generated.column_names or not is_category(real, part.name):
        return none
    (codes, drawn), size = level_codes([real, generated], part.name)
    known = codes > 0
    who = persons_a_group(codes[known], None if persons is None else persons[known], size)
    rare = (who > 0) & (who < MIN_PERSONS)
    rare &= np.isin(np.arange(size), _words(real, generated, part, column))
    single = rare & (who == 1)
    return int(rare.sum()), int(single.sum()), rare[codes], rare[drawn], single[drawn]


def _words(
    real: pa.Table, generated: pa.Table, part: ColumnSchema, column: ColumnSchema
) -> list[int]:
    """Return the codes of the levels that are words of respondents.

    Yes and no, numbers, and levels of a list of codes that came with the file are not.
    """
    if column.kind == "multi":  # of an option the name is the word
        wanted = {YES}
    elif column.kind == "boolean" or any(level.code or level.label for level in column.levels):
        return []
    else:
        wanted = {one.value for one in column.levels if not _is_number(one.value)}
    names: dict[str, int] = {}
    for table in (real, generated):  # as `level_codes` counts
        for value in table.column(part.name).combine_chunks().dictionary.to_pylist():
            if value is not None:
                names.setdefault(value, len(names) + 1)
    return [code for name, code in names.items() if name in wanted]


def _is_number(value: str) -> bool:
    return value.strip().lstrip("-+").replace(".", "", 1).replace(",", "", 1).isdigit()


def _any(parts: Sequence[Bools], rows: int) -> Bools:
    return np.any(np.stack(parts), axis=0) if parts else np.zeros(rows, np.bool_)


def _rounded_share(rows: Bools) -> float:
    """Return the share of the rows; a share of any is above zero."""
    if not rows.any():
        return 0.0
    return max(round(float(rows.mean()), 4), 0.0001)


def _share(rows: Bools, persons: Ints | None) -> float | None:
    """Return the share of the rows; None if they are of one to four persons."""
    of = None if persons is None else persons[rows]
    who = persons_a_group(np.zeros(int(rows.sum()), np.int64), of, 1)[0]
    return None if 0 < who < MIN_PERSONS else round(float(rows.mean()), 4)

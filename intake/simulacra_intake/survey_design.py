"""How the rows of a survey were drawn: their sampling points and strata, as the user states them.

In the clean table, the column of the clusters has a number for each row's cluster and stratum, so
every split and sample of rows keeps both.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.columns.build import CleanColumn, level_column
from simulacra_intake.description.cells import stated_cells
from simulacra_intake.description.statements import Statements
from simulacra_intake.raw_table import RawTable
from simulacra_schema.table import ColumnSchema, TableSchema

Ints = npt.NDArray[np.int64]
STRATUM = 1 << 32
"""A number in the clean table is that of the stratum times this, plus that of the cluster."""
FEW_CLUSTERS = 10
NOTE = (
    "sampling points: intervals allow for rows of one point that are alike; generated rows do not"
    " have this column"
)
FEW = "fewer than 10 clusters: intervals are wide, because few clusters tell little of the others"
_GAPS = "{count} rows have no cluster. Fill the gaps, or leave those rows out."
_ONE = "All rows are of one cluster; at least 2 are needed. Leave the role out."
_IN_STRATA = (
    "{count} clusters lie in several strata. If clusters are numbered within strata, state"
    ' "design": {{"nest": true}} in the x-simulacra of the table; else correct them.'
)
_NO_LEVELS = "A stratum has levels: words or whole numbers."


def with_design(
    columns: Sequence[CleanColumn], raw: pa.Table | RawTable, statements: Statements
) -> list[CleanColumn]:
    """Return the columns with the stated clusters and strata; problems go to the statements.

    Strata become categories. Clusters become int64 numbers that are not learned.
    """
    names = [column.schema.name for column in columns]
    stated = {name: one.role for name, one in statements.columns.items() if name in names}
    strata = [name for name, role in stated.items() if role == "stratum"]
    result = list(columns)
    for name in strata:
        at = names.index(name)
        result[at] = _stratum(result[at], statements)
    for name in (name for name, role in stated.items() if role == "cluster"):
        at = names.index(name)
        of_strata = [_words(raw, names.index(one), statements) for one in strata]
        numbers = _clusters(_words(raw, at, statements), of_strata, name, statements)
        result[at] = _cluster(result[at], numbers)
    return result


def clusters_in(table: pa.Table, schema: TableSchema) -> tuple[Ints, Ints] | None:
    """Return cluster and stratum of each row of a clean table, int64 [n] each from 0 on.

    Clusters of different strata differ. None without clusters.
    """
    column = schema.cluster()
    if column is None or column.name not in table.column_names:
        return None
    numbers = table.column(column.name).to_numpy()
    return _numbered(numbers), _numbered(numbers // STRATUM)


def crossed(codes: Iterable[Ints], rows: int) -> Ints:
    """Return the number of each row's combination of codes, int64 [rows] from 0 on.

    codes: int64 [rows] each; -1, a gap, is a code of its own.
    """
    found = np.zeros(rows, np.int64)
    for of in codes:
        found = _numbered(found * (int(of.max(initial=0)) + 2) + of + 1)
    return found


def _numbered(codes: Ints) -> Ints:
    return np.unique(codes, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _words(raw: pa.Table | RawTable, at: int, statements: Statements) -> Ints:
    """Return the number of each row's word, int64 [n]; -1 where it is missing."""
    return stated_cells(raw.column(at), statements.columns[raw.column_names[at]]).words.codes


def _clusters(words: Ints, strata: Sequence[Ints], name: str, statements: Statements) -> Ints:
    """Return the number of each row's cluster and stratum, int64 [n]."""
    stratum = crossed(strata, words.size)
    pairs = np.unique(np.stack([words, stratum]), axis=1)
    in_several = np.unique(pairs[0], return_counts=True)[1] > 1
    design = statements.problems.description.extension.design
    problem = None
    if gaps := int((words < 0).sum()):
        problem = _GAPS.format(count=gaps)
    elif pairs.shape[1] < 2:
        problem = _ONE
    elif in_several.any() and not (design and design.nest):
        problem = _IN_STRATA.format(count=int(in_several.sum()))
    if problem is not None:
        statements.problems.add(statements.columns[name].at("role"), problem)
    return stratum * STRATUM + words


def _cluster(column: CleanColumn, numbers: Ints) -> CleanColumn:
    schema = ColumnSchema(
        name=column.schema.name,
        kind="identifier",
        learned=False,
        storage=column.schema.storage,
        role="cluster",
        label=column.schema.label,
    )
    result = CleanColumn(schema, pa.array(numbers))
    result.note(NOTE)
    if np.unique(numbers).size < FEW_CLUSTERS:
        result.note(FEW)
    return result


def _stratum(column: CleanColumn, statements: Statements) -> CleanColumn:
    name, storage = column.schema.name, column.schema.storage
    statement = statements.columns[name]
    if column.schema.kind == "integer" and column.values is not None:
        coded = column.values.dictionary_encode()
        levels = coded.dictionary.to_numpy()
        order = np.argsort(levels)
        place = np.append(np.argsort(order), -1)
        codes = place[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        label, names, notes = column.schema.label, [*map(str, levels[order])], column.notes
        column = level_column(name, "categorical", names, codes.astype(np.int32), storage)
        column.notes += notes
        column.update(label=label)
    elif column.schema.kind in ("numeric", "datetime", "multi"):
        statements.problems.add(statement.at("role"), _NO_LEVELS)
    column.update(role="stratum")
    return column

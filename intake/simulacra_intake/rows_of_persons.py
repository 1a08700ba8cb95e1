"""Persons: which rows of a table belong to the same person.

A table with a subject has its persons' numbers in the clean table beside the learned columns, so
every split and sample of rows keeps them. All that protects people then counts persons, not rows.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_schema.table import TableSchema

Ints = npt.NDArray[np.int64]
MIN_PERSONS = 5
"""A value that at least this many persons share identifies nobody."""
CONSTANT_SHARE = 0.99
"""Share of the persons with several rows in which an attribute of persons is constant."""


def persons_in(table: pa.Table, schema: TableSchema) -> Ints | None:
    """Return the person of each row from 0 on, int64 [n]; None where each row is its own person."""
    column = schema.subject()
    if column is None or column.name not in table.column_names:
        return None
    numbers = table.column(column.name).to_numpy()
    return np.unique(numbers, return_inverse=True)[1].reshape(-1)


def persons_a_group(groups: npt.NDArray[np.integer], persons: Ints | None, size: int) -> Ints:
    """Return how many persons (rows, if None) each group has, int64 [size].

    groups: of each row, 0 <= group < size.
    """
    if persons is None:
        return np.bincount(groups, minlength=size)
    pairs = np.unique(groups.astype(np.int64) * (int(persons.max(initial=0)) + 1) + persons)
    return np.bincount(pairs // (int(persons.max(initial=0)) + 1), minlength=size)


def effective_persons(
    groups: npt.NDArray[np.integer],
    persons: Ints | None,
    weights: npt.NDArray[np.float64] | None,
    size: int,
) -> npt.NDArray[np.float64]:
    """Return how many persons each group has, float64 [size]; under survey weights Kish's number.

    Kish (1965): the square of the sum of the persons' weights over the sum of their squares.

    groups: of each row, 0 <= group < size; persons: None where each row is its own person.
    """
    if weights is None:
        return persons_a_group(groups, persons, size).astype(np.float64)
    who = np.arange(groups.size) if persons is None else persons
    span = int(who.max(initial=0)) + 1
    pairs, pair = np.unique(groups.astype(np.int64) * span + who, return_inverse=True)
    heavy = np.bincount(pair.reshape(-1), weights, minlength=pairs.size)
    first = np.bincount(pairs // span, heavy, minlength=size)
    squares = np.bincount(pairs // span, heavy**2, minlength=size)
    number = first**2 / np.where(squares > 0, squares, 1.0)
    return np.round(number, 9)  # equal weights give whole numbers


def rows_a_person(persons: Ints | None) -> float:
    """Return the rows that the person of an average row has; 1 where each row is its own person.

    The design effect of clusters whose rows are all alike (Kish, 1965).
    """
    if persons is None or not persons.size:
        return 1.0
    counts = np.bincount(persons)
    return float(np.sum(counts.astype(np.float64) ** 2) / counts.sum())


def split_persons(persons: Ints | None, rows: int, rng: np.random.Generator) -> Ints:
    """Return all rows in random order, the rows of a person together, int64 [rows]."""
    if persons is None:
        return rng.permutation(rows)
    rank = rng.permutation(int(persons.max(initial=0)) + 1)
    return np.argsort(rank[persons], kind="stable")


def one_row_a_person(table: pa.Table, schema: TableSchema, rng: np.random.Generator) -> pa.Table:
    """Return one random row of each person, so that tests see independent rows."""
    persons = persons_in(table, schema)
    if persons is None:
        return table
    order = rng.permutation(persons.size)
    first = np.unique(persons[order], return_index=True)[1]
    return table.take(pa.array(np.sort(order[first])))


def is_constant_within(values: npt.NDArray[np.generic], persons: Ints) -> bool:
    """Return whether a column is an attribute of persons, with at most one value in each.

    values: of each row, missing ones alike; persons: of each row, int64 [n].
    """
    codes = np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)
    rows = np.bincount(persons)
    pairs = np.unique(persons * (int(codes.max(initial=0)) + 1) + codes)
    different = np.bincount(pairs // (int(codes.max(initial=0)) + 1), minlength=rows.size)
    several = rows > 1
    return bool(several.any() and np.mean(different[several] == 1) >= CONSTANT_SHARE)


def limits_of_persons(
    values: npt.NDArray[np.float64], persons: Ints, place: int
) -> tuple[float, float]:
    """Return the values of the persons at this place from both ends.

    Args:
        values: float64 [n], none missing.
        persons: of each value, int64 [n].
        place: 1 for the most extreme person; with fewer persons, the least extreme one.
    """
    order = np.argsort(values, kind="stable")

    def value_of(order: npt.NDArray[np.intp]) -> float:
        _, first = np.unique(persons[order], return_index=True)
        return float(values[order[np.sort(first)[:place][-1]]])

    return value_of(order), value_of(order[::-1])

"""Cells written from learned columns: several answers, and codes for "no answer"."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_schema.table import YES, CellForm, ColumnSchema

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def join_answers(
    table: pa.Table, column: ColumnSchema, rng: np.random.Generator, held: Collection[str] = ()
) -> pa.Array:
    """Return the cells of a multi column, string [rows]; null where the question was not asked.

    Options are drawn one by one, so a few rows have a combination that no cell can hold. A row
    that was asked and has no option gets one: an exclusive option, which means none of the others,
    or else one drawn by the options' shares. An exclusive option beside others is taken away.

    held: columns under a condition or do(), whose answers do not change; rng: draws one number a
    row.
    """
    parts = [table.column(part.name).combine_chunks() for part in column.parts()]
    missing = np.stack([_mask(part.is_null()) for part in parts], axis=1)
    asked: Bools = np.logical_not(np.logical_and.reduce(missing, axis=1))
    chosen = np.stack([_mask(pc.equal(part.cast(pa.string()), YES)) for part in parts], axis=1)
    free = np.array([part.name not in held for part in column.parts()])
    _part_exclusive(chosen, column, free)
    _fill_empty(chosen, asked, column, free, rng.random(len(chosen)))
    texts = [level.value for level in column.levels]
    separator = column.separator or ";"
    end = separator.strip() if column.terminated else ""
    combinations, which = np.unique(chosen, axis=0, return_inverse=True)
    cells = [
        separator.join(text for text, has in zip(texts, row, strict=True) if has) + end
        for row in combinations
    ]
    codes = pa.array(which.reshape(-1), mask=~chosen.any(axis=1))
    return pa.array(cells, pa.string()).take(codes)


def _part_exclusive(chosen: Bools, column: ColumnSchema, free: Bools) -> None:
    """Take exclusive options away beside others; the others, where a condition holds the former."""
    alone = np.array([level.exclusive for level in column.levels])
    kept = (chosen & alone & ~free).any(axis=1)
    chosen[np.ix_(kept, free)] = False
    chosen[np.ix_((chosen & ~alone).any(axis=1), alone & free)] = False
    several = np.flatnonzero(chosen[:, alone].sum(axis=1) > 1)
    chosen[np.ix_(several, free)] &= np.cumsum(chosen[several], axis=1)[:, free] == 1


def _fill_empty(
    chosen: Bools, asked: Bools, column: ColumnSchema, free: Bools, drawn: Floats
) -> None:
    """Choose an option in rows that were asked and have none, by a number 0..1 for each row."""
    share = np.array([level.share for level in column.levels]) * free
    alone = np.array([level.exclusive for level in column.levels]) & free
    weight = np.cumsum(share * alone if (share * alone).any() else share)
    if not weight[-1]:
        return
    empty = np.flatnonzero(asked & ~chosen.any(axis=1))
    option = np.searchsorted(weight, drawn[empty] * weight[-1], side="right")
    chosen[empty, np.minimum(option, len(share) - 1)] = True


def _mask(flags: pa.BooleanArray) -> Bools:
    found: Bools = pc.fill_null(flags, False).to_numpy(zero_copy_only=False)
    return found


def with_special_codes(
    values: pa.Array,
    column: ColumnSchema,
    rng: np.random.Generator,
    drawn: pa.DictionaryArray | None = None,
) -> pa.Array:
    """Return numbers, or levels, with codes in some of their gaps.

    Missing values are learned, so the codes stand where gaps belong. Words among numbers, and codes
    among those with units, stay gaps.

    drawn: the learned code of each row, null for none; without it, codes have the shares of the
    upload.
    """
    coded = [one for one in column.specials if one.value.lstrip("-").isdecimal()]
    codes = coded if column.is_numeric else column.specials
    if not codes or not column.missing_share or not _is_plain(column.form):
        return values
    gaps = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))
    written = [one.value for one in codes]
    if drawn is not None:
        words = drawn.take(pa.array(gaps)).cast(pa.string())
        place = pc.index_in(words, value_set=pa.array(written, pa.string()), skip_nulls=True)
        chosen = place.fill_null(-1).to_numpy(zero_copy_only=False)
    else:
        shares = np.array([one.share for one in codes]) / column.missing_share
        chosen = _chosen(shares, gaps.size, rng)
    filled = np.full(len(values), -1, np.int64)
    filled[gaps] = chosen
    if not column.is_numeric:
        values = values.cast(pa.string())
    cells = pa.array(written, pa.string()).cast(values.type)
    return pc.coalesce(values, cells.take(pa.array(filled, mask=filled < 0)))


def _chosen(
    shares: npt.NDArray[np.float64], rows: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return a code for each row by these shares, -1 for none, int64 [rows]."""
    shares = shares / max(shares.sum(), 1.0)
    chosen = rng.choice(len(shares) + 1, size=rows, p=[*shares, max(1 - shares.sum(), 0.0)])
    return np.where(chosen < len(shares), chosen, -1)


def _is_plain(form: CellForm | None) -> bool:
    """Return whether numbers stand alone, so that a code is written as it is."""
    return form is None or not (form.before or form.after or form.decimals or form.factor != 1)

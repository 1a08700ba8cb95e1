"""Codes for "no answer" written back among numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_schema.table import CellForm, ColumnSchema


def with_special_codes(
    values: pa.Array,
    column: ColumnSchema,
    rng: np.random.Generator,
    drawn: pa.DictionaryArray | None = None,
) -> pa.Array:
    """Return numbers with codes in some of their gaps.

    Missing values are learned, so the codes stand where gaps belong. Words, and codes among numbers
    with units, stay gaps.

    Args:
        values: int64 or float64 [rows], null where missing.
        column: their schema.
        rng: draws codes that are not learned.
        drawn: the learned code of each row, null for none; without it, codes have the shares of the
            upload.
    """
    codes = [one for one in column.specials if one.value.lstrip("-").isdecimal()]
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
    numbers = pa.array([int(word) for word in written], values.type)
    return pc.coalesce(values, numbers.take(pa.array(filled, mask=filled < 0)))


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

"""Codes for "no answer" written back among numbers, as often as the upload has them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_crds.contract.schema import CellForm, ColumnSchema


def with_special_codes(
    values: pa.Array, column: ColumnSchema, rng: np.random.Generator
) -> pa.Array:
    """Return numbers with codes in some of their gaps, in the shares of the upload.

    Missing values are learned, so the codes stand where gaps belong; which code it is does not
    depend on other columns. Words, and codes among numbers with units, stay gaps.

    Args:
        values: int64 or float64 [rows], null where missing.
        column: their schema.
        rng: draws the codes.
    """
    codes = [one for one in column.specials if one.value.lstrip("-").isdecimal()]
    if not codes or not column.missing_share or not _is_plain(column.form):
        return values
    gaps = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))
    shares = np.array([one.share for one in codes]) / column.missing_share
    shares /= max(shares.sum(), 1.0)
    chosen = rng.choice(len(codes) + 1, size=gaps.size, p=[*shares, max(1 - shares.sum(), 0.0)])
    filled = np.full(len(values), -1, np.int64)
    filled[gaps] = np.where(chosen < len(codes), chosen, -1)
    written = pa.array([int(one.value) for one in codes], values.type)
    return pc.coalesce(values, written.take(pa.array(filled, mask=filled < 0)))


def _is_plain(form: CellForm | None) -> bool:
    """Return whether numbers stand alone, so that a code is written as it is."""
    return form is None or not (form.before or form.after or form.decimals or form.factor != 1)

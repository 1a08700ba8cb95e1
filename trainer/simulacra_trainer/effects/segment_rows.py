"""The rows of segments: groups of one or two columns, numbers cut at quantiles."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats, codes_of
from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints, persons_a_group
from simulacra_trainer.effects.models.blocks import around, in_blocks
from simulacra_trainer.effects.models.contrast import Flags
from simulacra_trainer.effects.models.features import levels_of
from simulacra_trainer.effects.words import number_or_day

MAX_SEGMENTS = 50
"""Largest segments that are estimated; the others are named."""
BANDS = 5


def coded(table: pa.Table, name: str, persons: Ints | None, bands: int) -> tuple[Ints, list[str]]:
    """Return the class of each row, int64 [n], -1 where unknown, and the names of the classes.

    Levels stand by size, the largest first; a number's bands in their order.
    """
    if pa.types.is_dictionary(table.column(name).type):
        positions, levels = codes_of(table.column(name)), levels_of(table, name)
        counts = np.bincount(positions[positions >= 0], minlength=len(levels))
        by_size = np.argsort(-counts, kind="stable")
        rank = np.append(np.argsort(by_size), -1)  # that of a missing value, at -1, is last
        return rank[positions], [levels[at] for at in by_size]
    values = as_floats(table.column(name))
    blocks = in_blocks(values, persons)
    known = blocks[~np.isnan(blocks)]
    shares = np.arange(1, bands) / bands
    edges = np.unique(np.quantile(known, shares)) if known.size else known
    band = np.where(np.isnan(values), -1, np.searchsorted(edges, blocks, side="left"))
    named = []
    for k in range(edges.size + 1):
        rows = band == k
        who = None if persons is None else persons[rows]
        named.append(_band_name(table, name, values[rows], who) if rows.any() else "")
    return band, named


def segment_rows(
    columns: Sequence[tuple[Ints, list[str]]], persons: Ints | None
) -> tuple[list[tuple[str, Flags]], list[str]]:
    """Return the largest segments with their rows, and the names of the others that have rows.

    Of two columns, combinations of few persons have no name: it would tell that they exist.
    """
    sizes = [len(levels) for _, levels in columns]
    is_known = np.all([codes >= 0 for codes, _ in columns], axis=0)
    code = np.full(is_known.size, -1)
    code[is_known] = np.ravel_multi_index([codes[is_known] for codes, _ in columns], sizes)
    present, at, counts = np.unique(code[is_known], return_inverse=True, return_counts=True)
    if len(columns) > 1:
        who = None if persons is None else persons[is_known]
        are_enough = persons_a_group(at, who, present.size) >= MIN_PERSONS
        present, counts = present[are_enough], counts[are_enough]
    largest = set(present[np.argsort(-counts, kind="stable")[:MAX_SEGMENTS]].tolist())
    found, others = [], []
    for one in present:
        places = np.unravel_index(one, sizes)
        pairs = zip(columns, places, strict=True)
        name = ", ".join(levels[at] for (_, levels), at in pairs)
        if one in largest:
            found.append((name, code == one))
        else:
            others.append(name)
    return found, others


def _band_name(
    table: pa.Table, name: str, values: npt.NDArray[np.float64], persons: Ints | None
) -> str:
    is_day = pa.types.is_timestamp(table.column(name).type)
    ends = (around(values, end, persons) for end in (0.0, 1.0))
    return " to ".join(number_or_day(end, 6, is_day=is_day) for end in ends)

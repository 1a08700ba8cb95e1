"""Fidelity: total-variation distance of columns and pairs from unseen real rows, and its floor.

The floor is the distance of equally many real training rows from the same unseen rows, the effect
of sampling alone. A synthetic table at the floor is as close to the unseen rows as real rows are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import sample_rows
from simulacra_intake.survey_weights import Floats, effective_rows, weights_in
from simulacra_trainer.cell_keys import RowNoise
from simulacra_trainer.evidence import coarse, two_digits
from simulacra_trainer.report.comparison.columns import IntArray, bin_codes

MAX_ROWS = 25_000
MAX_COUNTED = 20_000_000
"""Maximum of rows times pairs, which limits the time to about a second."""
WORST_PAIRS = 50
MAX_TRIPLES = 200
MAX_DENSE = 1 << 20
"""Cells up to which all are counted; of more, those that occur."""


def total_variation(
    a: IntArray,
    b: IntArray,
    codes: int,
    a_weights: Floats | None = None,
    b_weights: Floats | None = None,
) -> float:
    """Return the weighted total-variation distance (0..1) of two coded columns."""
    p = np.bincount(a, a_weights, minlength=codes) / len(a)
    q = np.bincount(b, b_weights, minlength=codes) / len(b)
    return 0.5 * float(np.abs(p - q).sum())


def fidelity(
    unseen: pa.Table,
    train: pa.Table,
    synthetic: pa.Table,
    names: list[str],
    rng: np.random.Generator,
    weight: str | None = None,
    noise: RowNoise | None = None,
) -> dict[str, Any]:
    """Return distances in percent of synthetic and of equally many training rows from unseen rows.

    Numbers are cut at the deciles of the unseen rows. All pairs of columns are compared, or a
    random set if there are too many. With survey weights, real rows are weighted, and the number of
    synthetic rows is the effective number of training rows (Kish), so that error and floor are
    comparable.

    noise: of both real tables together. With it the number of rows and each distance have the noise
    of one person, and steps.
    """
    pairs = _pairs(len(names), rng)
    most = max(500, min(MAX_ROWS, MAX_COUNTED // max(len(pairs), 1)))
    rows = min(train.num_rows, synthetic.num_rows, most)
    real = [sample_rows(unseen, most, rng), sample_rows(train, rows, rng)]
    weights = [weights_in(table, weight) for table in real]
    if weights[1] is not None:
        rows = max(min(rows, round(effective_rows(weights[1]))), 1)
    tables = [*real, sample_rows(synthetic, rows, rng)]
    coded = [bin_codes(tables, name) for name in names]
    told = rows if noise is None else max(int(two_digits(rows + noise.in_count())), 1)

    def distances(places: Sequence[int]) -> dict[str, float]:
        found = _joint(coded, places, weights)
        of = [names[at] for at in places]
        return found if noise is None else _hidden(found, of, noise, told)

    columns = [{"column": name, **distances([at])} for at, name in enumerate(names)]
    by_pair: list[dict[str, Any]] = [
        {"columns": [names[i], names[j]], **distances([i, j])} for i, j in pairs.tolist()
    ]
    by_triple = [distances(triple.tolist()) for triple in _triples(len(names), rng)]
    by_pair.sort(key=lambda pair: pair["floor"] - pair["error"])
    return {
        "rows_compared": told,
        "univariate": _means(columns),
        "bivariate": {**_means(by_pair), "pairs": len(by_pair)},
        "trivariate": {**_means(by_triple), "triples": len(by_triple)},
        "columns": columns,
        "worst_pairs": by_pair[:WORST_PAIRS],
    }


def _pairs(columns: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    i, j = np.triu_indices(columns, k=1)
    most = MAX_COUNTED // MAX_ROWS
    if len(i) > most:
        chosen = np.sort(rng.choice(len(i), most, replace=False))
        i, j = i[chosen], j[chosen]
    return np.column_stack([i, j])


def _distances(codes: list[IntArray], size: int, weights: list[Floats | None]) -> dict[str, float]:
    """Return the distance of synthetic (error) and training rows (floor) in percent."""
    unseen, train, synthetic = codes
    return {
        "error": 100 * total_variation(unseen, synthetic, size, weights[0]),
        "floor": 100 * total_variation(unseen, train, size, weights[0], weights[1]),
    }


def _triples(columns: int, rng: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    """Return distinct random triples of columns, fewer for small tables."""
    drawn = (np.sort(rng.permutation(columns)[:3]) for _ in range(MAX_TRIPLES))
    return list({tuple(one): one for one in drawn if one.size == 3}.values())


def _joint(
    coded: list[tuple[list[IntArray], int]], columns: Sequence[int], weights: list[Floats | None]
) -> dict[str, Any]:
    """Return the distances of some columns taken together."""
    codes, size = coded[columns[0]]
    for at in columns[1:]:
        right, right_size = coded[at]
        codes = [a * right_size + b for a, b in zip(codes, right, strict=True)]
        size *= right_size
        if size > MAX_DENSE:
            found, dense = np.unique(np.concatenate(codes), return_inverse=True)
            size, codes = len(found), np.split(dense, np.cumsum([len(c) for c in codes])[:-1])
    return _distances(codes, size, weights)


def _hidden(
    found: dict[str, float], names: list[str], noise: RowNoise, rows: int
) -> dict[str, float]:
    """Return distances with the noise of one person, in steps of a fifth of their error.

    Exact ones are fractions that count persons: two requests that differ by few of them would tell
    their answers.
    """
    hidden = {}
    for which, distance in found.items():
        noisy = distance + 100.0 * noise.in_figure(" ".join([which, *names])) / rows
        hidden[which] = coarse(max(noisy, 0.0), 50 / rows**0.5)
    return hidden


def _means(parts: list[dict[str, Any]]) -> dict[str, float]:
    if not parts:
        return {"error": 0.0, "floor": 0.0}
    return {key: float(np.mean([part[key] for part in parts])) for key in ("error", "floor")}

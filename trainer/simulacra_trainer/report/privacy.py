"""Privacy: exact copies of training rows, and nearness to them, against unseen real rows."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import sample_rows
from simulacra_intake.survey_weights import Floats, weights_in
from simulacra_trainer.report.attackers.neighbors import MAX_PAIRS, nearer_share, nearest, place
from simulacra_trainer.report.comparison.columns import row_hashes

MAX_HASHED = 500_000
MAX_TRAIN = 50_000
MAX_QUERIES = 4_000
DISTANCE_BINS = 24
FIRST_COLUMNS = 40
"""Of wide tables, in which copies are sought first."""


def privacy(
    train: pa.Table,
    holdout: pa.Table,
    synthetic: pa.Table,
    names: list[str],
    rng: np.random.Generator,
    weight: str | None = None,
) -> dict[str, Any]:
    """Return measures of copying, with unseen real rows as base rate.

    dcr_share: 0.5 if synthetic rows are no nearer to training rows than to unseen ones (scale of
    equal halves). exact_copies, exact_base: share of synthetic and of holdout rows that equal a
    training row. nearest: distance to the nearest training row, where a level that differs or one
    standard deviation counts 1.

    With survey weights, the base rate weights the holdout rows. The DCR share ignores weights:
    people were assigned to seen and unseen rows at random, so the nearer side reveals copying
    whatever the weights.
    """
    copies, base = exact_copies(train, holdout, synthetic, names, weight)
    seen, unseen = sample_rows(train, MAX_TRAIN, rng), sample_rows(holdout, MAX_TRAIN, rng)
    queries = min(MAX_QUERIES, max(200, MAX_PAIRS // (seen.num_rows + unseen.num_rows)))
    sampled = sample_rows(synthetic, queries, rng)
    base_rows = sample_rows(unseen, queries // 2, rng)
    drawn, near, far, real = place(seen, [sampled, seen, unseen, base_rows], names)
    of_drawn, to_unseen = nearest(drawn, near), nearest(drawn, far)
    base_share = seen.num_rows / (seen.num_rows + unseen.num_rows)
    share, error = nearer_share(of_drawn, to_unseen, base_share)
    of_real = nearest(real, near)[0]
    weights = weights_in(base_rows, weight)
    return {
        "dcr_share": share,
        "dcr_standard_error": error,
        "dcr_rows": sampled.num_rows,
        "exact_copies": copies,
        "exact_base": base,
        "nearest": {"synthetic": _quantiles(of_drawn[0]), "holdout": _quantiles(of_real, weights)},
        "distances": _histograms(of_drawn[0], of_real, to_unseen[0], weights),
    }


def exact_copies(
    train: pa.Table,
    holdout: pa.Table,
    synthetic: pa.Table,
    names: list[str],
    weight: str | None = None,
) -> tuple[float, float]:
    """Return the shares of synthetic and (weighted) holdout rows that equal a training row."""
    holdout, synthetic = holdout.slice(0, MAX_HASHED), synthetic.slice(0, MAX_HASHED)
    unseen, drawn = _are_copies(train, [holdout, synthetic], names)
    base = np.average(unseen, weights=weights_in(holdout, weight))
    return float(drawn.mean()), float(base)


def _are_copies(
    train: pa.Table, tables: list[pa.Table], names: list[str]
) -> list[npt.NDArray[np.bool_]]:
    """Return which rows equal a training row, bool [rows] each.

    In wide tables hardly any row agrees in the first columns, so the others of most are not looked
    at.
    """
    known, *hashes = row_hashes([train, *tables], names[:FIRST_COLUMNS])
    found = [np.isin(of, known) for of in hashes]
    if len(names) > FIRST_COLUMNS and any(of.any() for of in found):
        alike = [table.filter(pa.array(of)) for table, of in zip(tables, found, strict=True)]
        known, *hashes = row_hashes([train, *alike], names)
        for of, own in zip(found, hashes, strict=True):
            of[of] = np.isin(own, known)
    return found


def _histograms(
    drawn: Floats, real: Floats, to_unseen: Floats, weights: Floats | None
) -> dict[str, list[float]]:
    """Return shares by distance; `edges` are the ends of the bins, one more.

    drawn, real: of generated and of unseen real rows to the nearest training row; to_unseen: of
    generated rows to the nearest unseen row, of which there are as many.
    """
    most = float(np.quantile(np.concatenate([drawn, real, to_unseen]), 0.99))
    most = most if most > 1e-3 else 1.0
    edges = np.linspace(0, most, DISTANCE_BINS + 1)
    found = {"edges": [round(float(edge), 4) for edge in edges]}
    shown = (("synthetic", drawn, None), ("holdout", real, weights), ("unseen", to_unseen, None))
    for name, of, counts in shown:
        sums = np.histogram(np.minimum(of, most), edges, weights=counts)[0]
        found[name] = [round(float(share), 4) for share in sums / max(float(sums.sum()), 1e-300)]
    return found


def _quantiles(distances: Floats, weights: Floats | None = None) -> dict[str, float]:
    if weights is None:
        low, middle = np.quantile(distances, [0.05, 0.5])
    else:
        low, middle = np.quantile(distances, [0.05, 0.5], weights=weights, method="inverted_cdf")
    return {"p05": float(low), "median": float(middle)}

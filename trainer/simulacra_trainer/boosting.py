"""LightGBM settings shared by the report's classifier and the effects' nuisance models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import lightgbm

FIXED: dict[str, Any] = {
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    # Callers train several models in parallel instead, on `cpus.threads()` threads.
    "num_threads": 1,
    "verbosity": -1,
    # LightGBM's default merges values that occur in fewer than three rows.
    "min_data_in_bin": 1,
}
"""Parameters that make the trees depend on the rows alone, not on the number of CPUs."""


def raw_scores(
    model: lightgbm.Booster, rows: npt.NDArray[Any], trees: int | None = None
) -> npt.NDArray[np.float64]:
    """Return the sum of a model's trees for rows [n, columns], float64 [n], without init scores.

    trees: only the first ones; None for all.
    """
    # predict does not inherit num_threads from training and would use all CPUs.
    threads = FIXED["num_threads"]
    scores = model.predict(rows, raw_score=True, num_iteration=trees, num_threads=threads)
    return np.asarray(scores, np.float64)

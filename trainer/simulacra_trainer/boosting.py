"""LightGBM settings that the report's classifier and the effects' nuisance models share."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

FIXED: dict[str, Any] = {
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    # Callers train several models at once instead, on as many threads as `cpus.threads()` allows.
    "num_threads": 1,
    "verbosity": -1,
    # By default LightGBM merges values that fewer than three rows have.
    "min_data_in_bin": 1,
}
"""The same rows give the same trees, however many CPUs there are."""


def raw_scores(model: lightgbm.Booster, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the sums of a model's trees, float64 [n], without the score that training started
    from.

    rows: [n, columns].
    """
    # Prediction takes all CPUs unless it is told otherwise: it does not know the parameters of
    # training.
    scores: npt.NDArray[np.float64] = np.asarray(
        model.predict(rows, raw_score=True, num_threads=FIXED["num_threads"]), np.float64
    )
    return scores

"""Rows of boosted trees, binned once for all fits on some of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simulacra_trainer.boosting import FIXED

if TYPE_CHECKING:
    import lightgbm

TREES: dict[str, Any] = FIXED | {
    "max_depth": 3,
    "num_leaves": 8,
    "min_data_in_leaf": 10,
    "lambda_l2": 1.0,
    "boost_from_average": False,
}


@dataclass(frozen=True)
class TreeRows:
    """Rows that trees may learn from; LightGBM takes longer to read rows than to grow a few trees.

    Attributes:
        bins: uint8 [k, n].
        is_level: bool [k], whether the bins of a column are unordered.
    """

    bins: npt.NDArray[np.uint8]
    is_level: npt.NDArray[np.bool_]

    def dataset(
        self, index: npt.NDArray[np.int64], target: npt.NDArray[np.float64]
    ) -> lightgbm.Dataset:
        """Return the rows at index, int64 [m] in ascending order, with their targets."""
        rows = self._whole.subset(index.tolist()).construct()
        return rows.set_label(target)

    @cached_property
    def _whole(self) -> lightgbm.Dataset:
        import lightgbm

        levels = np.flatnonzero(self.is_level).tolist()
        label = np.zeros(self.bins.shape[1])
        rows = lightgbm.Dataset(self.bins.T, label, categorical_feature=levels, params=TREES)
        return rows.construct()

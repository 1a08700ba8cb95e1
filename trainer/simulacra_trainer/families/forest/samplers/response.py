"""Draw a number under do(): a smooth regression plus a residual (see `model.do_response`)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulacra_trainer.families.codec import Floats, Ints
from simulacra_trainer.families.forest.regression.smooth import Smooth
from simulacra_trainer.families.forest.samplers.base import Context
from simulacra_trainer.families.forest.samplers.numbers import Numbers


@dataclass(frozen=True)
class Response(Numbers):
    """Draw a regression on columns (schema order) plus a residual; it is never stored."""

    columns: tuple[int, ...]
    is_category: tuple[bool, ...]
    smooth: Smooth

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        seen = inputs_of(context, rows, self.columns, self.is_category)
        return super().draw(context, rows, u) + self.smooth.at(seen)

    @property
    def columns_used(self) -> set[int]:
        return {*self.columns, *self.tree.columns}


def inputs_of(
    context: Context, rows: Ints, columns: Sequence[int], is_category: Sequence[bool]
) -> list[Floats]:
    """Return numbers as they are, categories as predictor codes, float64 [columns][rows]."""
    return [
        context.codes[j][rows].astype(np.float64) if of else context.values[j][rows]
        for j, of in zip(columns, is_category, strict=True)
    ]

"""Which base the fits of a target start from: chosen by the losses of all their validation rows.

One fit of a small arm holds back a few dozen rows, and by chance a base that fails elsewhere
predicts these best. So the losses are added up over the fits of a target, and each fit starts from
the base whose sum is least so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from simulacra_trainer.effects.models.features import Floats

CHOICES = 5
"""Least number of fits that try the bases: the folds of one cross-fit. Later ones of the same
target take what these chose, because trying takes more time than the fit."""
ENOUGH_ROWS = 100
"""Validation rows from which a base can be dropped, and trying may end."""
DROP_ERRORS = 3.0
"""Standard errors of the mean difference of losses above the best base, beyond which a base is
dropped."""


@dataclass(frozen=True)
class Trial:
    """A base on the rows that one fit held back.

    Attributes:
        losses: of these rows, float64 [validation rows].
        trees: the best number of trees.
    """

    losses: Floats
    trees: int


@dataclass
class Choice:
    """What the fits of one target share.

    Attributes:
        fits: of each fit that tried bases, the trials by base; not those of dropped bases.
    """

    fits: list[dict[int, Trial]] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether the next fit tries the bases."""
        rows = sum(next(iter(fit.values())).losses.size for fit in self.fits)
        return len(self.fits) < CHOICES or rows < ENOUGH_ROWS

    def best(self) -> tuple[int, int]:
        """Return the base with the least loss so far, and its median number of trees."""
        losses = {base: float(self._losses(base).sum()) for base in self._in_all()}
        base = min(losses, key=losses.__getitem__)
        return base, round(float(np.median([fit[base].trees for fit in self.fits])))

    def left(self, possible: Sequence[int]) -> list[int]:
        """Return the bases that the next fit tries: all possible ones that may still be best."""
        if not self.fits:
            return list(possible)
        least = self._losses(self.best()[0])
        return [base for base in self._in_all() if base in possible and self._may_win(base, least)]

    def _may_win(self, base: int, least: Floats) -> bool:
        above = self._losses(base) - least
        error = float(above.std()) / np.sqrt(max(above.size, 1))
        return above.size < ENOUGH_ROWS or float(above.mean()) <= DROP_ERRORS * error

    def _in_all(self) -> list[int]:
        """Return the bases that every fit has tried."""
        return [base for base in self.fits[0] if all(base in fit for fit in self.fits)]

    def _losses(self, base: int) -> Floats:
        return np.concatenate([fit[base].losses for fit in self.fits])


Bases = dict[str, Choice]
"""By target."""

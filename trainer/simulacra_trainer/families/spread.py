"""Uniform numbers that are spread evenly over the rows of a draw.

The errors of shares, means and coefficients of the rows are smaller than those of independent
numbers, at the same law of each single row.
"""

from collections.abc import Iterator

import numpy as np

from simulacra_trainer.families.codec import Floats

LEAST_ROWS = 256
"""Fewer rows take independent numbers: scrambling costs more than drawing them."""
GROUP = 256
"""Columns that share a set of points, which limits its memory."""


def spread_uniforms(n: int, columns: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Yield the uniform numbers of one column after another, float64 [n] in [0, 1) each.

    The numbers of one row are independent and uniform, as those of `rng.random` are; different rows
    keep away from each other. They are Sobol' points, scrambled so that each is uniform on the cube
    (Matoušek, 1998; Owen, 1997), in random order: the first rows are a fair sample of all, and
    neighbors are no more alike than others. Each group of columns has points and an order of its
    own (Latin supercube sampling; Owen, 1998).
    """
    if n < LEAST_ROWS:
        for _ in range(columns):
            yield rng.random(n)
        return
    from scipy.stats.qmc import Sobol  # scipy.stats takes a third of a second to import

    for begin in range(0, columns, GROUP):
        sobol = Sobol(min(GROUP, columns - begin), scramble=True, rng=rng)
        # A power of two, as the sequence is made for; any number of its first points will do.
        points = sobol.random_base2((n - 1).bit_length())[:n]
        order = rng.permutation(n)
        for column in points.T:
            yield column[order]

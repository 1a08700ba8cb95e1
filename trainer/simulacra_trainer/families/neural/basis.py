"""Smooth functions of a code's position, which tie the weights of neighboring bins."""

from __future__ import annotations

import numpy as np

from simulacra_trainer.families.neural.coding import ColumnCoding, Floats

HAT_WIDTHS = (4, 16)


def code_basis(coding: ColumnCoding) -> Floats:
    """Return the functions at each code of an ordered column, float64 [codes, functions]; zero for
    missing.

    Hats of two widths (in codes), and value and rank with their halved squares: with those, a
    softmax over the codes holds the discretized normal distribution.
    """
    places = np.arange(coding.codes - 1)
    hats = [
        np.clip(
            1.0 - np.abs(places[:, None] - np.arange(0, coding.codes + width - 1, width)) / width,
            0.0,
            None,
        )
        for width in HAT_WIDTHS
    ]
    middles = coding.middles()
    known = np.concatenate([*hats, middles, middles**2 / 2.0], axis=1)
    return np.concatenate([np.zeros((1, known.shape[1])), known])

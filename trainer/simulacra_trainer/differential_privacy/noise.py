"""Exact discrete noise of differential privacy, by OpenDP.

Needs opendp (the extra `private`); importing it without is a ModuleNotFoundError. Noise in
floating-point numbers leaks through their digits (Mironov, 2012); OpenDP samples in whole and
rational numbers, from a cryptographically secure source that no seed of ours reaches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import opendp.prelude as dp

from simulacra_trainer.differential_privacy.domain import Floats, Ints

# OpenDP asks for this consent wherever it has not vetted the written proof of a mechanism.
dp.enable_features("contrib")


def gaussian_mechanism(deviation: float) -> dp.Measurement:
    """Return the mechanism that adds discrete Gaussian noise to counts (Canonne, Kamath & Steinke, 2020)."""
    return dp.m.make_gaussian(
        dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float), scale=deviation
    )


def choice_mechanism(scale: float) -> dp.Measurement:
    """Return the exponential mechanism: the place of the largest of scores with Gumbel noise."""
    scores = dp.vector_domain(dp.atom_domain(T=float, nan=False))
    return dp.m.make_noisy_max(
        scores, dp.linf_distance(T=float), dp.zero_concentrated_divergence(), scale=scale
    )


def noisy_counts(counts: Ints, deviation: float) -> Ints:
    """Return counts, int64 [n], with noise of that standard deviation."""
    noisy: Any = gaussian_mechanism(deviation)(counts.tolist())
    return np.array(noisy, np.int64)


def noisy_argmax(scores: Floats, scale: float) -> int:
    """Return the place of the largest score, or of another with probability e^(difference / scale) of its own."""
    return int(choice_mechanism(scale)(scores.tolist()))

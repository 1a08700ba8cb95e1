"""Exact discrete noise of differential privacy, by OpenDP.

Needs opendp (the extra `private`); without it the import raises ModuleNotFoundError. The digits of
floating-point noise reveal the exact value (Mironov, 2012), so OpenDP samples integers and
fractions. Its randomness is cryptographically secure and ignores our seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import opendp.prelude as dp

from simulacra_trainer.differential_privacy.domain import Floats, Ints

# OpenDP asks for this consent wherever it has not vetted the written proof of a mechanism.
dp.enable_features("contrib")


def gaussian_mechanism(deviation: float) -> dp.Measurement:
    """Return the mechanism that adds discrete Gaussian noise (Canonne, Kamath & Steinke, 2020)."""
    return dp.m.make_gaussian(
        dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float), scale=deviation
    )


def choice_mechanism(scale: float) -> dp.Measurement:
    """Return the exponential mechanism: the index of the largest score after Gumbel noise."""
    scores = dp.vector_domain(dp.atom_domain(T=float, nan=False))
    return dp.m.make_noisy_max(
        scores, dp.linf_distance(T=float), dp.zero_concentrated_divergence(), scale=scale
    )


def noisy_counts(counts: Ints, deviation: float) -> Ints:
    """Return the counts, int64 [n], plus noise of this standard deviation."""
    noisy: Any = gaussian_mechanism(deviation)(counts.tolist())
    return np.array(noisy, np.int64)


def noisy_argmax(scores: Floats, scale: float) -> int:
    """Return a random index, with probability proportional to exp(score / scale)."""
    return int(choice_mechanism(scale)(scores.tolist()))

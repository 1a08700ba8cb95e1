"""Grammars of counts, heaps and ratings for `numeric_effects.py`, in which two values are frequent.

They were written before the rule that decides between exact values and a curve was changed, and
nothing was tuned on them. Value and baseline are named by each; the smallest arm holds at least
5 % of the rows, but in *heaped, odd*, whose value is no heap.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Treat = Callable[[Array, Array, Array, np.random.Generator], Array]
Form = Callable[[Array, Array, Array, Array], Array]


def _columns(*parts: Array) -> Array:
    return np.column_stack(parts)


def _causes(z1: Array, z2: Array, z3: Array) -> tuple[Array, ...]:
    return z1, z2, (z3 == 1) * 1.0, (z3 == 2) * 1.0


def _poisson(z1: Array, z2: Array, z3: Array, rng: np.random.Generator) -> Array:
    return rng.poisson(np.exp(2.0 + 0.25 * z1 - 0.2 * z2 + 0.2 * (z3 == 1))).astype(np.float64)


def _inflated(z1: Array, z2: Array, z3: Array, rng: np.random.Generator) -> Array:
    """Draw a count of which a third is 0: those are of another kind."""
    some = 1.0 + rng.poisson(np.exp(1.8 - 0.15 * z1 + 0.2 * z2))
    return np.where(rng.random(z1.size) < 1 / (1 + np.exp(0.7 - 0.6 * z1)), 0.0, some)


def _heaped(z1: Array, z2: Array, z3: Array, rng: np.random.Generator) -> Array:
    """Draw hours: half of those near 40 say 40, a third of the others round to fives."""
    hours = np.clip(34 + 5 * z1 - 3 * z2 + 3 * (z3 == 1) + 9 * rng.normal(size=z1.size), 1, 80)
    chance = rng.random(z1.size)
    said = np.where(chance < 0.33, 5 * np.round(hours / 5), np.round(hours))
    return np.where((np.abs(hours - 39) < 7) & (chance > 0.5), 40.0, said)


def _rating(z1: Array, z2: Array, z3: Array, rng: np.random.Generator) -> Array:
    return np.clip(np.round(6.5 + 1.2 * z1 - 0.8 * z2 + 2 * rng.normal(size=z1.size)), 0, 10)


def _children(z1: Array, z2: Array, z3: Array, rng: np.random.Generator) -> Array:
    return np.minimum(rng.poisson(np.exp(0.4 + 0.25 * z1 + 0.2 * (z3 == 2))), 4.0)


LINEAR = (0.8, -0.6, 0.4, 0.2)
"""Coefficients of the causes."""
COUNTS: dict[str, tuple[Treat, Form, tuple[float, ...], tuple[float, float]]] = {
    "poisson": (
        _poisson,
        lambda t, a, b, c: _columns(np.sqrt(t), *_causes(a, b, c)),
        (0.6, *LINEAR),
        (10.0, 6.0),
    ),
    "poisson, by person": (
        _poisson,
        lambda t, a, b, c: _columns(t, t * a, t * (c == 2), *_causes(a, b, c)),
        (0.1, 0.06, 0.05, *LINEAR),
        (10.0, 6.0),
    ),
    "poisson, a step": (
        _poisson,
        lambda t, a, b, c: _columns((t >= 8) * 1.0, *_causes(a, b, c)),
        (0.6, *LINEAR),
        (10.0, 6.0),
    ),
    "inflated": (
        _inflated,
        lambda t, a, b, c: _columns(t, t * a, *_causes(a, b, c)),
        (0.08, 0.03, *LINEAR),
        (8.0, 5.0),
    ),
    "jump at 0": (
        _inflated,
        lambda t, a, b, c: _columns((t > 0) * 1.0, t, *_causes(a, b, c)),
        (-0.9, 0.08, *LINEAR),
        (8.0, 5.0),
    ),
    "jump at 0, asked": (
        _inflated,
        lambda t, a, b, c: _columns((t > 0) * 1.0, t, *_causes(a, b, c)),
        (-0.9, 0.08, *LINEAR),
        (6.0, 0.0),
    ),
    "heaped": (
        _heaped,
        lambda t, a, b, c: _columns(np.minimum(t, 40.0), (t == 40) * 1.0, *_causes(a, b, c)),
        (0.04, 0.5, *LINEAR),
        (40.0, 30.0),
    ),
    "heaped, odd": (
        _heaped,
        lambda t, a, b, c: _columns(np.minimum(t, 40.0), *_causes(a, b, c)),
        (0.04, *LINEAR),
        (36.0, 28.0),
    ),
    "rating": (
        _rating,
        lambda t, a, b, c: _columns((t >= 9) * 1.0, (t >= 7) * 1.0, *_causes(a, b, c)),
        (0.6, 0.2, *LINEAR),
        (9.0, 7.0),
    ),
    "children": (
        _children,
        lambda t, a, b, c: _columns((t > 0) * 1.0, (t >= 3) * 1.0, *_causes(a, b, c)),
        (-0.5, 0.7, *LINEAR),
        (3.0, 1.0),
    ),
}
"""Treatment, columns of the true regression, their coefficients, value and baseline."""

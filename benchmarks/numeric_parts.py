"""Where the width of an effect of a number comes from: parts of the product replaced by the truth.

    python benchmarks/numeric_parts.py --rows 1500 --draws 40

Tables of the grammar *linear* of `numeric_effects.py`, whose E[outcome given columns] and E[terms
given columns] are known. One part at a time is replaced or left out, on the same draws: models,
cross-fits, corrections, slopes by columns, bends of the curve. Prints for each: coverage, bias in
standard deviations, and deviation of the errors and mean width over those of the oracle.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from numeric_effects import GRAMMARS, TRUTH_ROWS, as_table, drawn, oracle

from simulacra_crds.tasks import EstimateRequest
from simulacra_trainer.effects import slopes
from simulacra_trainer.effects.aipw import Predictions, aipw_scores
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.scores import Interval, summarize
from simulacra_trainer.effects.slopes import spline_terms

GRAMMAR = GRAMMARS["linear"]
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
"""Of the treatment's noise, which is normal."""
FREE = np.array([1e3])
"""The only deviation of the curvature where it is free."""
Array = np.ndarray


def _changed(one: Predictions, **parts: Array) -> Predictions:
    assert one.slopes is not None
    return replace(one, slopes=replace(one.slopes, **parts))


def _first(one: Predictions, terms: int) -> Predictions:
    """Return predictions with the first terms of the curve only."""
    assert one.slopes is not None
    return _changed(one, terms=one.slopes.terms[:terms], asked=one.slopes.asked[:terms])


def _alike(one: Predictions) -> Predictions:
    """Return predictions with the same slope for everybody."""
    assert one.slopes is not None
    return _changed(one, crossed=one.slopes.crossed[:, :0])


def _expected(t: Array, z: tuple[Array, ...]) -> tuple[Array, Array]:
    """Return the true E[outcome given columns], [n], and E[terms given columns], [k, n]."""
    mean = 0.7 * z[0] - 0.4 * z[1] + 0.4 * (z[2] == 1)
    _, at = spline_terms(t, (mean[:, None] + NODES).ravel())
    terms = at.reshape(len(at), t.size, NODES.size) @ (WEIGHTS / WEIGHTS.sum())
    return GRAMMAR.form(mean, *z) @ np.array(GRAMMAR.weights), terms


def intervals(
    estimator: Estimator, fits: Sequence[Predictions], t: Array, z: tuple[Array, ...]
) -> Iterator[tuple[str, Interval]]:
    """Yield the interval with each part replaced."""

    def of(some: Sequence[Predictions]) -> Interval:
        return summarize([aipw_scores(estimator.contrast, one, "all") for one in some])

    outcome, expected = _expected(t, z)
    left = spline_terms(t, np.zeros(1))[0] - expected
    own = np.array([outcome, outcome])
    true = [replace(_changed(fits[0], terms=left), own=own)]
    yield "as in the product", of(fits)
    yield "one cross-fit", of(fits[:1])
    yield "true E[Y given X]", of([replace(one, own=own) for one in fits])
    yield "true E[T given X]", of([_changed(one, terms=left) for one in fits])
    yield "both true", of(true)
    with patch.object(slopes, "MAX_LEVERAGE", 0.0):
        yield "both true, HC0", of(true)
    yield "both true, no slopes by columns", of([_alike(one) for one in true])
    yield "both true, without the last bend", of([_first(one, 2) for one in true])
    yield "both true, a line", of([_first(one, 1) for one in true])
    yield "models, a line", of([_first(one, 1) for one in fits])
    yield "models, no slopes by columns", of([_alike(one) for one in fits])
    with patch.object(np, "geomspace", lambda *_: FREE):
        yield "models, a free curve", of(fits)
    scores = [aipw_scores(estimator.contrast, one, "all") for one in fits]
    yield "without what smoothing hides", summarize([replace(one, hidden=0.0) for one in scores])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_500)
    parser.add_argument("--draws", type=int, default=40)
    args = parser.parse_args()
    *z, t = GRAMMAR.causes(TRUTH_ROWS, np.random.default_rng(1))
    a, b = (float(np.round(np.quantile(t, q), 1)) for q in (0.75, 0.25))
    truth = float(GRAMMAR.effects((z[0], z[1], z[2]), a, b).mean())
    found: dict[str, list[tuple[float, bool, float]]] = {}
    ideal = []
    for seed in range(args.draws):
        columns, own = drawn(GRAMMAR, args.rows, seed)
        table, schema = as_table(columns)
        before = ["z1", "z2", "z3"]
        request = EstimateRequest(
            treatment="t", value=a, baseline=b, outcome="y", before=before, after=["y"]
        )
        estimator = Estimator(table, schema, request, seed)
        ideal.append(oracle(GRAMMAR, own, columns["t"], columns["y"], a, b)[1])
        fits = estimator.predictions(before)
        for name, one in intervals(estimator, fits, columns["t"], own):
            line = (one.effect - truth, one.low <= truth <= one.high, one.high - one.low)
            found.setdefault(name, []).append(line)
    print("| | covered | bias | deviation | width |\n|---|---|---|---|---|")
    for name, lines in found.items():
        error, covered, width = np.array(lines, np.float64).T
        ratio = error.std() / np.mean(ideal)
        wide = width.mean() / (2 * 1.96 * np.mean(ideal))
        print(
            f"| {name} | {covered.mean():.2f} | {error.mean() / error.std():+.2f} |"
            f" {ratio:.2f} | {wide:.2f} |"
        )


if __name__ == "__main__":
    main()

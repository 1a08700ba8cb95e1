"""EconML and DoubleML on the draws of benchmarks/known_effects.py, in an environment of their own.

    python -m venv PEERS && PEERS/bin/pip install -r benchmarks/requirements-effects.txt
    python benchmarks/known_effects.py --peers PEERS/bin/python

Reads one line for each draw, the path of a .npz file (x, t, y, treated, seed), and prints one JSON
line: for each peer its effect, low and high of the 95 % interval, and CPU seconds.

Every peer has five folds and the LightGBM learners of that script's T-learner and DR-learner, so
that they differ by method alone. Propensities are clipped at 0.01: DoubleML's default, EconML's
would be 0.000001. All else is the packages' default.

- EconML DR: LinearDRLearner, its last stage linear in all covariates; ate_interval.
- EconML forest: CausalForestDML, 100 trees; the doubly robust effect on its training rows, which
  its summary shows first. Its ate_interval averages the rows' variances and is far wider.
- DoubleML: DoubleMLIRM, the score ATE, or ATTE for the effect on the treated.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor

FOLDS, LEAST_PROPENSITY, LEVEL = 5, 0.01, 0.95
Found = tuple[float, float, float]


def learners(seed: int) -> tuple[LGBMRegressor, LGBMClassifier]:
    """Return the learners of the outcome and of the treatment, as known_effects.py sets them."""
    common = {"random_state": seed, "n_jobs": 1, "verbose": -1}
    return (
        LGBMRegressor(num_leaves=15, n_estimators=100, **common),
        LGBMClassifier(num_leaves=4, n_estimators=50, **common),
    )


def econml_dr(x: np.ndarray, t: np.ndarray, y: np.ndarray, treated: bool, seed: int) -> Found:
    """Return the mean effect of EconML's doubly robust learner, and its interval."""
    from econml.dr import LinearDRLearner

    outcome, treatment = learners(seed)
    model = LinearDRLearner(
        model_regression=outcome,
        model_propensity=treatment,
        cv=FOLDS,
        min_propensity=LEAST_PROPENSITY,
        random_state=seed,
    ).fit(y, t, X=x)
    asked = x[t == 1] if treated else x
    low, high = model.ate_interval(asked, alpha=1 - LEVEL)
    return float(model.ate(asked)), float(low), float(high)


def econml_forest(x: np.ndarray, t: np.ndarray, y: np.ndarray, treated: bool, seed: int) -> Found:
    """Return the doubly robust effect of EconML's causal forest, and its interval."""
    from econml.dml import CausalForestDML

    outcome, treatment = learners(seed)
    model = CausalForestDML(
        model_y=outcome,
        model_t=treatment,
        discrete_treatment=True,
        cv=FOLDS,
        random_state=seed,
        n_jobs=1,
    ).fit(y, t, X=x)
    found = model.att__inference(T=1) if treated else model.ate__inference()
    low, high = found.conf_int(alpha=1 - LEVEL)
    return tuple(float(np.ravel(value)[0]) for value in (found.point_estimate, low, high))


def doubleml_irm(x: np.ndarray, t: np.ndarray, y: np.ndarray, treated: bool, seed: int) -> Found:
    """Return the effect of DoubleML's interactive regression model, and its interval."""
    from doubleml import DoubleMLData, DoubleMLIRM

    outcome, treatment = learners(seed)
    np.random.seed(seed)  # its folds are drawn from the global generator
    data = DoubleMLData.from_arrays(x, y, t)
    score = "ATTE" if treated else "ATE"
    model = DoubleMLIRM(data, outcome, treatment, n_folds=FOLDS, score=score).fit()
    low, high = model.confint(level=LEVEL).to_numpy()[0]
    return float(model.coef[0]), float(low), float(high)


PEERS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray, bool, int], Found]] = {
    "EconML DR": econml_dr,
    "EconML forest": econml_forest,
    "DoubleML": doubleml_irm,
}


def main() -> None:
    """Answer one draw for each line of the input."""
    warnings.filterwarnings("ignore")
    for line in sys.stdin:
        with np.load(line.rstrip("\n")) as draw:
            x, t, y = draw["x"], draw["t"].astype(np.int64), draw["y"].astype(np.float64)
            treated, seed = bool(draw["treated"]), int(draw["seed"])
        found = {}
        for name, peer in PEERS.items():
            began = time.process_time()
            answer = peer(x, t, y, treated, seed)
            found[name] = [*answer, time.process_time() - began]
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

"""Effects of numbers: coverage and width beside an oracle that knows the form and the confounders.

    python benchmarks/numeric_effects.py --rows 500 --draws 100 --seconds 480
    python benchmarks/numeric_effects.py --rows 1500 --draws 100 --grammars linear curved
    python benchmarks/numeric_effects.py --rows 1500 --draws 40 --grammars poisson heaped
    python benchmarks/numeric_effects.py --rows 1000 --draws 60 --elasticity

Confounded tables with a numeric treatment, every place stated. The contrast is the 75th against the
25th percentile of the treatment, as sheets ask, or what `count_grammars.py` says. The oracle is
least squares with the true confounders in their true form and the true form of the treatment, with
a heteroscedasticity consistent error. The product's interval is that of its main adjustment set,
before the checks, which do not move it. Where the product answers for some people only, the truth
is theirs.

Prints a line for each grammar: draws, answers, coverage with its standard error, bias in standard
deviations of the estimates, mean width over the oracle's, the oracle's coverage, CPU seconds.

With --elasticity: coverage of the elasticity on confounded demand of a price, where it is constant,
differs between people, or grows with the price.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from count_grammars import COUNTS

from simulacra_crds.tasks import EstimateRequest
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.effects.column_timing import read_timing
from simulacra_trainer.effects.elasticity import on_logarithm
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.tried_sets import try_sets
from simulacra_trainer.graph import CausalGraph

TRUTH_ROWS = 400_000
Array = np.ndarray
Design = Callable[[Array, Array, Array, Array], Array]
"""Columns of the true regression from treatment, two numbers and a level; without intercept."""


@dataclass(frozen=True)
class Grammar:
    """A way to draw tables.

    Attributes:
        treat: treatment of n rows from numbers z1, z2, level z3 and draws.
        form: the columns of the true regression.
        weights: their coefficients.
        noise: deviation of the outcome's noise from treatment and z1; by default 1.
        draw: noise of unit scale; by default normal.
        idle: columns that move nothing.
        binary: whether the outcome is yes or no, with the regression as its share.
        asked: value and baseline; by default the 75th and the 25th percentile of the treatment.
    """

    treat: Callable[[Array, Array, Array, np.random.Generator], Array]
    form: Design
    weights: tuple[float, ...]
    noise: Callable[[Array, Array], Array] = lambda t, z: np.ones_like(t)
    draw: Callable[[np.random.Generator, int], Array] = lambda rng, n: rng.normal(size=n)
    idle: int = 0
    binary: bool = False
    asked: tuple[float, float] | None = None

    def causes(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
        """Return z1, z2, z3 and the treatment."""
        z1, z2 = rng.normal(size=(2, n))
        z3 = rng.integers(0, 3, n).astype(np.float64)
        return z1, z2, z3, self.treat(z1, z2, z3, rng)

    def outcome(self, z: tuple[Array, Array, Array], t: Array, rng: np.random.Generator) -> Array:
        """Return the outcome."""
        mean = self.form(t, *z) @ np.array(self.weights)
        if self.binary:
            return (rng.random(t.size) < np.clip(mean, 0.0, 1.0)).astype(np.float64)
        return mean + self.noise(t, z[0]) * self.draw(rng, t.size)

    def effects(self, z: tuple[Array, Array, Array], a: float, b: float) -> Array:
        """Return each row's effect of a, not b."""
        at = [self.form(np.full(z[0].size, v), *z) @ np.array(self.weights) for v in (a, b)]
        return at[0] - at[1]


def _columns(*parts: Array) -> Array:
    return np.column_stack(parts)


def _normal(z1: Array, z2: Array, z3: Array, rng: np.random.Generator) -> Array:
    return 0.7 * z1 - 0.4 * z2 + 0.4 * (z3 == 1) + rng.normal(size=z1.size)


def _spread(z1: Array, z2: Array, z3: Array, rng: np.random.Generator) -> Array:
    return 0.6 * z1 - 0.4 * z2 + np.exp(0.35 * z1) * rng.normal(size=z1.size)


def _skewed(z1: Array, z2: Array, z3: Array, rng: np.random.Generator) -> Array:
    return np.exp(0.4 * z1 + 0.3 * (z3 == 2) + 0.6 * rng.normal(size=z1.size))


def _counts(z1: Array, z2: Array, z3: Array, rng: np.random.Generator) -> Array:
    return rng.poisson(np.exp(2.4 + 0.2 * z1 - 0.15 * z2)).astype(np.float64)


def _waves(z1: Array, z2: Array, z3: Array, rng: np.random.Generator) -> Array:
    return np.sin(2 * z1) + 0.5 * z2**2 + 0.5 * (z3 == 1) + rng.normal(size=z1.size)


def _price(z1: Array, z2: Array, z3: Array, rng: np.random.Generator) -> Array:
    base = np.exp(0.25 * z1 + 0.2 * (z3 == 1) + 0.3 * rng.normal(size=z1.size))
    return np.round(10 * base, 1)


def _work(z1: Array, z2: Array, z3: Array, rng: np.random.Generator) -> Array:
    hours = 20 + 6 * z1 + 4 * z2 + 12 * rng.normal(size=z1.size)
    return np.where(hours < 5, 0.0, np.round(hours))


def _linear_causes(z1: Array, z2: Array, z3: Array) -> tuple[Array, ...]:
    return z1, z2, (z3 == 1) * 1.0, (z3 == 2) * 1.0


GRAMMARS: dict[str, Grammar] = {
    "linear": Grammar(
        _normal,
        lambda t, a, b, c: _columns(t, *_linear_causes(a, b, c)),
        (0.5, 1.0, -0.8, 0.5, -0.3),
    ),
    "curved": Grammar(_normal, lambda t, a, b, c: _columns(np.tanh(t), a, b**2), (1.0, 0.8, 0.5)),
    "interacting": Grammar(
        _normal,
        lambda t, a, b, c: _columns(t, t * a, t * (c == 2), *_linear_causes(a, b, c)),
        (0.4, 0.4, 0.4, 0.8, -0.6, 0.3, 0.5),
    ),
    "heteroscedastic": Grammar(
        _spread,
        lambda t, a, b, c: _columns(t, t * a, *_linear_causes(a, b, c)),
        (0.5, 0.3, 0.8, -0.6, 0.3, 0.2),
        noise=lambda t, z: np.exp(0.4 * z),
    ),
    "skewed": Grammar(
        _skewed,
        lambda t, a, b, c: _columns(np.log1p(t), *_linear_causes(a, b, c)),
        (1.5, 0.5, -0.5, 0.3, 0.6),
    ),
    "waves": Grammar(
        _waves,
        lambda t, a, b, c: _columns(t, np.sin(2 * a), b**2, (c == 1) * 1.0),
        (0.4, 1.2, 0.8, 0.5),
    ),
    "counts": Grammar(
        _counts,
        lambda t, a, b, c: _columns(np.ones_like(t), t, a, b, (c == 2) * 1.0),
        (0.1, 0.03, 0.06, -0.04, 0.05),
        binary=True,
    ),
    "threshold": Grammar(
        _normal,
        lambda t, a, b, c: _columns((t > 0.3) * 1.0, *_linear_causes(a, b, c)),
        (1.0, 0.8, -0.6, 0.4, 0.2),
    ),
    "hump": Grammar(
        _normal,
        lambda t, a, b, c: _columns(t, t**2, *_linear_causes(a, b, c)),
        (0.4, -0.3, 0.8, -0.6, 0.4, 0.2),
    ),
    "tails": Grammar(
        _skewed,
        lambda t, a, b, c: _columns(t, *_linear_causes(a, b, c)),
        (0.3, 0.8, -0.6, 0.4, 0.2),
        draw=lambda rng, n: rng.standard_t(3, n),
        idle=10,
    ),
    "hours": Grammar(
        _work,
        lambda t, a, b, c: _columns(np.minimum(t, 30.0), a, b, (c == 1) * 1.0),
        (0.05, 0.6, -0.5, 0.4),
        noise=lambda t, z: 0.5 + 0.03 * np.abs(t),
        idle=4,
    ),
    "demand": Grammar(
        _price,
        lambda t, a, b, c: _columns(np.log(t), np.log(t) * a, *_linear_causes(a, b, c)),
        (-3.0, -0.6, 1.0, 0.5, 0.6, 0.0),
        idle=4,
    ),
}
GRAMMARS |= {
    name: Grammar(treat, form, weights, asked=asked)
    for name, (treat, form, weights, asked) in COUNTS.items()
}


def drawn(grammar: Grammar, n: int, seed: int) -> tuple[dict[str, Array], tuple[Array, ...]]:
    """Return the columns of a table by name, and z1, z2, z3."""
    own = [*GRAMMARS.values()].index(grammar)
    rng = np.random.default_rng([seed, own, n])
    z1, z2, z3, t = grammar.causes(n, rng)
    y = grammar.outcome((z1, z2, z3), t, rng)
    idle = {f"x{k}": rng.normal(size=n) for k in range(grammar.idle)}
    return {"z1": z1, "z2": z2, "z3": z3, **idle, "t": t, "y": y}, (z1, z2, z3)


def as_table(columns: dict[str, Array]) -> tuple[pa.Table, TableSchema]:
    """Return the table with z3 as levels, and its schema."""
    arrays, kinds = {}, []
    for name, values in columns.items():
        if name == "z3":
            codes = pa.array(values.astype(np.int32))
            arrays[name] = pa.DictionaryArray.from_arrays(codes, pa.array(["k0", "k1", "k2"]))
            kinds.append(ColumnSchema(name=name, kind="categorical", storage="string"))
        else:
            arrays[name] = pa.array(values)
            kinds.append(ColumnSchema(name=name, kind="numeric", storage="double"))
    table = pa.table(arrays)
    return table, TableSchema(rows=table.num_rows, columns=kinds)


def oracle(
    grammar: Grammar, z: tuple[Array, ...], t: Array, y: Array, a: float, b: float
) -> tuple[float, float]:
    """Return effect and error of least squares in the true form (HC1)."""
    n = t.size
    one = np.ones((n, 1))
    X = np.hstack([one, grammar.form(t, *z)])
    gap = grammar.form(np.full(n, a), *z) - grammar.form(np.full(n, b), *z)
    gap = np.hstack([0 * one, gap])
    inverse = np.linalg.pinv(X.T @ X / n)
    beta = inverse @ (X.T @ y / n)
    weights = X @ (inverse @ gap.mean(axis=0))
    effects = gap @ beta
    influence = effects - effects.mean() + weights * (y - X @ beta)
    return float(effects.mean()), float(np.sqrt(np.sum(influence**2) / (n - X.shape[1]) / n))


def answer(
    columns: dict[str, Array], a: float, b: float, seed: int
) -> tuple[float, float, float, Array | None] | None:
    """Return effect, interval and whom they are for (bool [n]); None if there is no answer."""
    table, schema = as_table(columns)
    names = table.column_names
    graph = CausalGraph(order=names, parent_lists={name: [] for name in names})
    request = EstimateRequest(
        treatment="t", value=a, baseline=b, outcome="y", before=names[:-2], after=["y"]
    )
    estimator = Estimator(table, schema, request, seed)
    tried = try_sets(estimator, read_timing(Knowledge(), schema, request, "y", []), graph)
    if tried.people is None or not tried.found:
        return None
    interval = tried.found[0][2]
    return interval.effect, interval.low, interval.high, tried.people.rows


def run(name: str, rows: int, draws: int, first: int, deadline: float) -> str:
    """Return the line of a grammar."""
    grammar = GRAMMARS[name]
    rng = np.random.default_rng(1)
    *z, t = grammar.causes(TRUTH_ROWS, rng)
    quartiles = (float(np.round(np.quantile(t, q), 1)) for q in (0.75, 0.25))
    a, b = grammar.asked or quartiles
    whole = grammar.effects((z[0], z[1], z[2]), a, b)
    found = []
    started = time.process_time()
    asked = 0
    for seed in range(first, first + draws):
        if time.monotonic() >= deadline:
            break
        asked += 1
        columns, own = drawn(grammar, rows, seed)
        got = answer(columns, a, b, seed)
        if got is None:
            continue
        effect, low, high, people = got
        each = grammar.effects((own[0], own[1], own[2]), a, b)
        truth = float(whole.mean())
        if people is not None:
            truth += float(each[people].mean() - each.mean())
        best, error = oracle(grammar, own, columns["t"], columns["y"], a, b)
        found.append(
            (
                effect - truth,
                low <= truth <= high,
                high - low,
                abs(best - whole.mean()) <= 1.96 * error,
                2 * 1.96 * error,
                people is not None,
            )
        )
    if not found:
        return f"| {name} | {rows} | 0 of {asked} |"
    error, covered, width, best, ideal, partly = np.array(found, np.float64).T
    share = covered.mean()
    cpu = (time.process_time() - started) / asked
    return (
        f"| {name} | {rows} | {len(found)} of {asked} ({int(partly.sum())}) | {share:.3f} ±"
        f" {np.sqrt(share * (1 - share) / len(found)):.3f} | {error.mean() / error.std():.2f} |"
        f" {width.mean() / ideal.mean():.2f} | {best.mean():.3f} | {cpu:.2f} |"
    )


ELASTICITIES: dict[str, Callable[[Array, Array], Array]] = {
    "constant": lambda p, z: -1.2 * p,
    "by person": lambda p, z: (-1.2 + 0.5 * z) * p,
    "growing": lambda p, z: -0.3 * p - 0.2 * p**2,
}
"""Logarithm of the demand from the logarithm of the price and z1."""


def run_elasticity(name: str, rows: int, draws: int, deadline: float) -> str:
    """Return the line of a model of demand."""
    of_price, found = ELASTICITIES[name], []
    for seed in range(draws):
        if time.monotonic() >= deadline:
            break
        rng = np.random.default_rng([seed, 5])
        z1, z2 = rng.normal(size=(2, rows))
        z3 = rng.integers(0, 3, rows).astype(np.float64)
        t = _price(z1, z2, z3, rng)
        log = of_price(np.log(t), z1) + 0.4 * z1 + 0.5 * (z3 == 1) + 0.5 * rng.normal(size=rows)
        columns = {"z1": z1, "z2": z2, "z3": z3, "t": t, "y": np.exp(3 + log)}
        table, schema = as_table(columns)
        a, b = 12.0, 9.0
        request = EstimateRequest(
            treatment="t", value=a, baseline=b, outcome="y", before=["z1", "z2", "z3"], after=["y"]
        )
        one = on_logarithm(Estimator(table, schema, request, seed), ["z1", "z2", "z3"], None)
        ends = of_price(np.log(np.array([[a], [b]])), np.zeros(1))[:, 0]
        truth = float(ends[0] - ends[1])
        found.append((one.low <= truth <= one.high, (one.effect - truth) / one.error))
    covered, z = np.array(found, np.float64).T
    return f"| {name} | {rows} | {len(found)} | {covered.mean():.3f} | {z.mean():.2f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_500)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--grammars", nargs="*", default=[*GRAMMARS], choices=GRAMMARS)
    parser.add_argument("--elasticity", action="store_true")
    args = parser.parse_args()
    deadline = time.monotonic() + args.seconds
    if args.elasticity:
        print("| elasticity | rows | draws | covered | mean z |\n|---|---|---|---|---|")
        for name in ELASTICITIES:
            print(run_elasticity(name, args.rows, args.draws, deadline), flush=True)
        return
    print(
        "| grammar | rows | answers (for some) | covered | bias | width / oracle |"
        " oracle covered | CPU s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in args.grammars:
        print(run(name, args.rows, args.draws, args.first, deadline), flush=True)


if __name__ == "__main__":
    main()

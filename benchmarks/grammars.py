"""Random tables of four grammars with a question of known effect, for blocks.py.

- survey: weighted sums of numbers and levels, some bent by tanh, logistic noise, cut into levels
  (the grammar of answers.py).
- network: discrete Bayesian networks with random conditional probability tables, as bnlearn's
  generators draw them: Dirichlet(1) for each combination of up to three parents.
- additive: random smooth functions (sums of four sines) plus normal, uniform or Laplace noise; a
  third of the columns are bent once more after it (post-nonlinear; Zhang & Hyvarinen, 2009).
- surfaces: six columns of a public table of the bench, with gaps, under simulated treatment and
  outcome surfaces: linear, products, steps, exponential, effects that differ between people (as in
  IHDP and ACIC 2016).

A table has five or six columns before the treatment, an optional negative control (an earlier
outcome), one column that settles beside the treatment (before or after it), a mediator, the outcome
and a consequence of both. The effect is 0 in a third; a third has a hidden common cause of
treatment, outcome and control.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Array = np.ndarray
Values = dict[str, Array]
Rng = np.random.Generator
Signal = Callable[[Values], Array]
Shape = Callable[[Array], Array]
Node = Callable[[Values, int, Rng], Array]
BENCH = Path(__file__).resolve().parents[2] / "shared/bench/data"
GRAMMARS = ("survey", "network", "additive", "surfaces")
CALIBRATION = 4_000
HIDDEN = "_u"
"""Names that start with _ are not in the table."""
TABLES = {
    "adult": ["age", "education_num", "marital_status", "race", "sex", "hours_per_week"],
    "gss": ["female", "educ", "black", "attend", "babies", "tvhours"],
    "telco": ["female", "senior_citizen", "partner", "tenure", "contract", "monthly_charges"],
    "shoppers": ["ProductRelated", "BounceRates", "PageValues", "Month", "VisitorType", "Weekend"],
}


@dataclass
class Model:
    """A structural model, built column by column on a calibration sample.

    Attributes:
        rng: of the model's own random numbers.
        treatment, outcome, control, beside: names of columns; control None if there is none.
        asked: value and baseline.
        before: columns that are settled before the treatment; after: after it, with the outcome.
    """

    rng: Rng
    treatment: str = "treat"
    outcome: str = "result"
    beside: str = "side"
    control: str | None = None
    asked: tuple[float, float] = (1.0, 0.0)
    levels: int = 0
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    nodes: dict[str, Node] = field(default_factory=dict)
    sample: Values = field(default_factory=dict)

    def draw(
        self,
        n: int,
        rng: Rng,
        given: Values | None = None,
        do: float | None = None,
        last: str | None = None,
    ) -> Values:
        """Return n rows, from given columns on, down to the last one; do fixes the treatment."""
        values = dict(given or {})
        for name, node in self.nodes.items():
            if name == self.treatment and do is not None:
                values[name] = np.full(n, do)
            elif name not in values:
                values[name] = node(values, n, rng)
            if name == last:
                break
        return values

    def put(self, name: str, node: Node) -> None:
        """Add a column."""
        self.nodes[name] = node
        self.sample[name] = node(self.sample, CALIBRATION, self.rng)

    def add(
        self,
        name: str,
        signal: Signal,
        strength: float,
        levels: int = 0,
        hidden: float = 0.0,
        bend: Shape = lambda x: x,
        noise: Callable[[Rng, int], Array] = lambda rng, n: 0.6 * rng.logistic(size=n),
    ) -> None:
        """Add a column: the standardized signal times strength, hidden cause, noise; cut, bent."""
        raw = signal(self.sample)
        center, scale = float(np.mean(raw)), max(float(np.std(raw)), 1e-9)

        def latent(values: Values, n: int, rng: Rng) -> Array:
            whole = strength * (signal(values) - center) / scale + noise(rng, n)
            return bend(whole + hidden * values[HIDDEN] if hidden else whole)

        found = latent(self.sample, CALIBRATION, self.rng)
        middle, spread = float(np.mean(found)), float(np.std(found))
        cuts = np.cumsum(self.rng.dirichlet(np.full(levels, 8.0)))[:-1] if levels else []
        edges = np.quantile(found, cuts) if levels else None

        def node(values: Values, n: int, rng: Rng) -> Array:
            drawn = latent(values, n, rng)
            if edges is None:
                return (drawn - middle) / spread
            return np.searchsorted(edges, drawn).astype(np.float64)

        self.put(name, node)


def scaled(values: Values, name: str) -> Array:
    """Return a column as signals use it; a missing number is 0."""
    return np.nan_to_num(values[name])


def summed(model: Model, parents: list[str], part: Callable[[Rng], Shape]) -> Signal:
    """Return a weighted sum of functions of the parents."""
    rng = model.rng
    parents = [*parents]
    weights = rng.choice([-1, 1], len(parents)) * rng.uniform(0.4, 1.2, len(parents))
    parts = [part(rng) for _ in parents]
    means = [float(np.mean(scaled(model.sample, name))) for name in parents]
    spreads = [max(float(np.std(scaled(model.sample, name))), 1e-9) for name in parents]

    def signal(values: Values) -> Array:
        return sum(
            (
                w * f((scaled(values, name) - m) / s)
                for w, f, name, m, s in zip(weights, parts, parents, means, spreads, strict=True)
            ),
            start=np.zeros(1),
        )

    return signal


def bent(rng: Rng) -> Shape:
    """Return the line or tanh."""
    return np.tanh if rng.random() < 0.5 else lambda x: x


def smooth(rng: Rng) -> Shape:
    """Return a random smooth function."""
    a, w, p = rng.normal(size=4), rng.normal(size=4), rng.uniform(0, 2 * np.pi, 4)
    return lambda x: np.sin(np.multiply.outer(x, w) + p) @ a


def surface(rng: Rng) -> Shape:
    """Return a line, step, exponential or capped line."""
    forms: list[Shape] = [
        lambda x: x,
        lambda x: (x > 0.3) * 2.0,
        lambda x: np.exp(np.clip(0.5 * x, -3, 2)),
        lambda x: np.minimum(x, 0.5),
    ]
    return forms[int(rng.integers(len(forms)))]


def _noise(rng: Rng) -> Callable[[Rng, int], Array]:
    kinds: list[Callable[[Rng, int], Array]] = [
        lambda own, n: own.normal(size=n),
        lambda own, n: own.uniform(-1.7, 1.7, n),
        lambda own, n: own.laplace(size=n) / 1.4,
    ]
    return kinds[int(rng.integers(3))]


def _bend(rng: Rng) -> Shape:
    bends: list[Shape] = [np.cbrt, np.sinh, lambda x: np.exp(x / 2)]
    return bends[int(rng.integers(3))] if rng.random() < 1 / 3 else lambda x: x


def _cpt(model: Model, parents: list[str], levels: int) -> Node:
    sizes = [int(model.sample[name].max()) + 1 for name in parents]
    table = np.cumsum(model.rng.dirichlet(np.ones(levels), int(np.prod(sizes, initial=1))), axis=1)

    def node(values: Values, n: int, rng: Rng) -> Array:
        at = np.zeros(n, np.int64)
        for name, size in zip(parents, sizes, strict=True):
            at = at * size + np.minimum(values[name].astype(np.int64), size - 1)
        return (rng.random(n)[:, None] > table[at][:, :-1]).sum(axis=1).astype(np.float64)

    return node


@cache
def _public(name: str) -> tuple[pa.Table, dict[str, Array]]:
    table = pq.read_table(BENCH / f"{name}_train.parquet", columns=TABLES[name])
    codes = {}
    for column in table.column_names:
        values = table[column].combine_chunks()
        if pa.types.is_string(values.type):
            values = values.dictionary_encode().indices.fill_null(-1)
        codes[column] = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return table, codes


def random_model(grammar: str, seed: int) -> tuple[Model, Callable[[Values], pa.Table]]:
    """Return a model, and what makes a table of its rows."""
    rng = np.random.default_rng([seed, GRAMMARS.index(grammar), 34])
    model = Model(rng)
    is_hidden, is_null, has_control = seed % 3 == 2, rng.random() < 1 / 3, rng.random() < 0.5
    kind = str(rng.choice(["yes/no", "steps", "number"]))
    if grammar == "network" and kind == "number":
        kind = "steps"
    model.levels = {"yes/no": 2, "steps": 5, "number": 0}[kind]
    public = str(rng.choice([*TABLES]))
    if is_hidden:
        own = (lambda v, n, r: r.integers(0, 3, n) * 1.0) if grammar == "network" else None
        model.put(HIDDEN, own or (lambda v, n, r: r.normal(size=n)))

    def add(
        name: str, parents: list[str], levels: int, hidden: bool = False, strength: float = 1.0
    ) -> None:
        part = {"survey": bent, "additive": smooth, "surfaces": surface}.get(grammar)
        h = float(rng.uniform(0.8, 1.5)) if hidden and is_hidden else 0.0
        if part is None:
            of = [*parents[-3:], HIDDEN] if h else parents[-3:]
            model.put(name, _cpt(model, of, levels or 4))
            return
        signal = summed(model, parents, part)
        if grammar == "surfaces" and len(parents) > 1:
            signal = _with_product(model, signal, parents)
        options = {}
        if grammar == "additive" and levels != 2:
            options = {"noise": _noise(rng), "bend": _bend(rng)}
        model.add(name, signal, strength if parents else 0.0, levels, h, **options)

    if grammar == "surfaces":
        table, codes = _public(public)
        model.put("_row", lambda v, n, r: r.integers(0, table.num_rows, n))
        for name in TABLES[public]:
            model.put(name, lambda v, n, r, of=codes[name]: of[v["_row"]])
            model.before.append(name)
        model.treatment, model.beside, model.outcome = "campaign", "brand trust", "satisfaction"
    else:
        for k in range(5):
            parents = [*rng.permutation(model.before)[: rng.integers(0, 3)]]
            add(f"c{k}", parents, int(rng.choice([0, 2, 3, 5])))
            model.before.append(f"c{k}")
    causes = [str(name) for name in rng.permutation(model.before)[: int(rng.integers(2, 4))]]
    if has_control:
        model.control = "earlier satisfaction" if grammar == "surfaces" else "earlier"
        add(model.control, causes, 5, hidden=True)
        model.before.append(model.control)
    is_side_first = rng.random() < 0.5
    if is_side_first:
        add(model.beside, causes[:1], int(rng.choice([0, 3])))
        model.before.append(model.beside)
        causes.append(model.beside)
    treated = float(rng.uniform(0.4, 2.2))
    add(model.treatment, causes, model.levels, hidden=True, strength=treated)
    if not is_side_first:
        add(model.beside, [causes[0], model.treatment], int(rng.choice([0, 3])))
        model.after.append(model.beside)
    mediator = "recommendation" if grammar == "surfaces" else "later"
    add(mediator, [causes[1], model.treatment], int(rng.choice([0, 5])))
    moved = [] if is_null else [model.treatment, *([mediator] if rng.random() < 0.5 else [])]
    others = [*causes, *(str(n) for n in rng.permutation(model.before)[:1] if n not in causes)]
    others = [name for name in others if name != model.control]
    add(model.outcome, [*others, *moved], int(rng.choice([0, 2, 5])), hidden=True)
    consequence = "purchase intention" if grammar == "surfaces" else "last"
    add(consequence, [model.treatment, model.outcome], int(rng.choice([0, 3])))
    model.after += [mediator, model.outcome, consequence]
    t = model.sample[model.treatment]
    high, low = (1.0, 0.0) if model.levels == 2 else (3.0, 1.0)
    if not model.levels:
        high, low = (float(np.quantile(t, q)) for q in (0.75, 0.25))
    model.asked = (high, low)
    return model, lambda values: _as_table(model, values, public if grammar == "surfaces" else None)


def _with_product(model: Model, signal: Signal, parents: list[str]) -> Signal:
    """Return the signal with a product of its first and last parent, standardized."""
    ends = [parents[0], parents[-1]]
    means = [float(np.mean(scaled(model.sample, name))) for name in ends]
    spreads = [max(float(np.std(scaled(model.sample, name))), 1e-9) for name in ends]
    weight = float(model.rng.choice([0.0, 0.5]))

    def whole(values: Values) -> Array:
        one, two = (
            (scaled(values, name) - m) / s for name, m, s in zip(ends, means, spreads, strict=True)
        )
        return signal(values) + weight * np.clip(one * two, -4, 4)

    return whole


def _as_table(model: Model, values: Values, public: str | None) -> pa.Table:
    """Return the rows: two or three levels as words, more as whole numbers."""
    arrays: dict[str, pa.Array] = {}
    for name, column in values.items():
        if name.startswith("_"):
            continue
        if public is not None and name in TABLES[public]:
            arrays[name] = _public(public)[0][name].take(pa.array(values["_row"])).combine_chunks()
            continue
        is_whole = bool(np.all(column == np.round(column)))
        if is_whole and column.max() <= 2:
            words = ["no", "yes"] if model.sample[name].max() < 2 else ["low", "middle", "high"]
            arrays[name] = pa.array(np.array(words)[column.astype(np.int64)])
        else:
            arrays[name] = pa.array(column.astype(np.int64) if is_whole else column)
    return pa.table(arrays)

"""Causal estimates on models with known effects; writes benchmarks/results/causal.md.

    python benchmarks/causal.py --repetitions 5

- do(): the public models of CausalNF (Javaloy et al., NeurIPS 2023), 5,000 rows, the graph given as
  knowledge, fit with the product's defaults. Each cause is set to its 25th, 50th and 75th
  percentile; the error is that of the differences of means of every later column between each two
  of these settings, in the column's own units (RMSE over effects and repetitions). The truth comes
  from a million rows of the structural equations.
- do() beside see(): a confounded table on which the two differ.
- Graph unknown: structural Hamming distance on asia and survey at 10,000 rows (networks and
  distance of tests/trainer/test_graph_networks.py). Coverage of intervals: `effects_coverage.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_schema.questions.knowledge import Edge, Knowledge
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation

HERE = Path(__file__).resolve().parent
ROWS, DRAWN, TRUE_ROWS = 5_000, 200_000, 1_000_000
Columns = dict[str, np.ndarray]
Equations = dict[str, Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]]
TRIANGLE: Equations = {
    "x1": lambda _x, u: u,
    "x2": lambda x, u: 2 * x["x1"] ** 2 + u,
    "x3": lambda x, u: 20 / (1 + np.exp(-(x["x2"] ** 2) + x["x1"])) + u,
}
CHAIN: Equations = {
    "x1": lambda _x, u: u,
    "x2": lambda x, u: np.exp(x["x1"] / 2) + u / 4,
    "x3": lambda x, u: (x["x2"] - 5) ** 3 / 15 + u,
}
FORK: Equations = {
    "x1": lambda _x, u: u,
    "x2": lambda _x, u: u,
    "x3": lambda x, u: 4 / (1 + np.exp(-x["x1"] - x["x2"])) - x["x2"] ** 2 + u / 2,
    "x4": lambda x, u: 20 / (1 + np.exp(x["x3"] ** 2 / 2 - x["x3"])) + u,
}
MODELS = {
    "triangle-nlin": (TRIANGLE, [("x1", "x2"), ("x1", "x3"), ("x2", "x3")], 0.079),
    "chain-nlin": (CHAIN, [("x1", "x2"), ("x2", "x3")], 0.060),
    "fork-nlin": (FORK, [("x1", "x3"), ("x2", "x3"), ("x3", "x4")], 0.040),
}


def draw(
    equations: Equations, n: int, rng: np.random.Generator, do: Mapping[str, float] | None = None
) -> Columns:
    """Draw rows of a structural model, under an intervention if one is given."""
    out: Columns = {}
    for name, equation in equations.items():
        u = rng.normal(size=n)
        out[name] = np.full(n, do[name]) if do and name in do else equation(out, u)
    return out


def fit(columns: Mapping[str, object], knowledge: Knowledge, seed: int) -> TrainedModel:
    """Fit as the product does."""
    clean = clean_table(pa.table(dict(columns)))
    request = FitRequest(family="forest", knowledge=knowledge, seed=seed)
    return fit_model(clean.table, clean.schema, request)


def complete_knowledge(names: list[str], edges: list[tuple[str, str]]) -> Knowledge:
    """Return a whole graph as knowledge."""
    return Knowledge(
        required=[Edge(source=a, target=b) for a, b in edges],
        forbidden=[
            Edge(source=a, target=b)
            for a, b in itertools.permutations(names, 2)
            if (a, b) not in edges
        ],
    )


def ate_errors(name: str, seed: int) -> tuple[list[float], float]:
    """Return the errors of all effects of one repetition, and the CPU seconds of fit and draws."""
    equations, edges, _ = MODELS[name]
    rng = np.random.default_rng([seed, 31])
    data = draw(equations, ROWS, rng)
    began = time.process_time()
    trained = fit(data, complete_knowledge(list(data), edges), seed)
    graph, errors, spent = trained.graph, [], time.process_time() - began
    for cause in data:
        after = graph.descendants(cause)
        if not after:
            continue
        means, truth = [], []
        for value in np.quantile(data[cause], [0.25, 0.5, 0.75]):
            began = time.process_time()
            rows = trained.model.sample(
                DRAWN, np.random.default_rng(seed), do={cause: float(value)}
            )
            spent += time.process_time() - began
            means.append([float(np.mean(rows.column(c).to_numpy())) for c in after])
            real = draw(equations, TRUE_ROWS, np.random.default_rng(7), {cause: float(value)})
            truth.append([float(real[c].mean()) for c in after])
        for a, b in itertools.combinations(range(3), 2):
            errors += list(np.subtract(means[b], means[a]) - np.subtract(truth[b], truth[a]))
    return errors, spent


def do_beside_see(seed: int) -> dict[str, float]:
    """Return the product's E[y | do(t)] and E[y | t near] at t = 1; y = t + 2 z, t = z + noise."""
    rng = np.random.default_rng([seed, 32])
    z = rng.normal(size=ROWS)
    t = z + 0.7 * rng.normal(size=ROWS)
    y = t + 2 * z + rng.normal(size=ROWS)
    trained = fit(
        {"z": z, "t": t, "y": y},
        complete_knowledge(["z", "t", "y"], [("z", "t"), ("z", "y"), ("t", "y")]),
        seed,
    )

    def mean(request: GenerateRequest) -> float:
        tables = list(generate_rows(trained, plan_generation(trained, request)))
        return float(np.mean(pa.concat_tables(tables).column("y").to_numpy()))

    near = ConditionSet(numeric={"t": NumericRange(min=0.95, max=1.05)})
    return {
        "do": mean(GenerateRequest(row_count=DRAWN, interventions={"t": 1.0}, seed=seed)),
        "do, truth": 1.0,
        "see": mean(GenerateRequest(row_count=DRAWN, conditions=near, seed=seed)),
        "see, truth": 1.0 + 2.0 / 1.49,
    }


def distances(repetitions: int) -> dict[str, list[int]]:
    """Return the structural Hamming distances on asia and survey."""
    path = HERE.parent / "tests" / "trainer" / "test_graph_networks.py"
    spec = importlib.util.spec_from_file_location("networks", path)
    assert spec is not None
    assert spec.loader is not None
    known = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(known)
    found = {}
    for name, network in (("asia", known.ASIA), ("survey", known.SURVEY)):
        samples = [known._sample(network, 10_000, seed) for seed in range(200, 200 + repetitions)]
        found[name] = [known._distance(table, network, Knowledge(), 0) for table in samples]
    return found


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    page = [
        "# Causal answers where the truth is known",
        "",
        f"`python benchmarks/causal.py --repetitions {repetitions}`, {time.strftime('%Y-%m-%d')},",
        (
            f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}. Forest,"
            f" {ROWS:,} rows."
        ),
        "",
        (
            "| model, graph given | ATE RMSE | goal (best peer) | worst repetition | fit and all"
            " draws, CPU s |"
        ),
        "|---|---|---|---|---|",
    ]
    for name, (_, _, goal) in MODELS.items():
        runs = [ate_errors(name, seed) for seed in range(repetitions)]
        each = [float(np.sqrt(np.mean(np.square(errors)))) for errors, _ in runs]
        whole = float(np.sqrt(np.mean(np.square(each))))
        seconds = np.mean([s for _, s in runs])
        page.append(f"| {name} | {whole:.3f} | {goal:.3f} | {max(each):.3f} | {seconds:.1f} |")
        print(page[-1], flush=True)
    answers = [do_beside_see(seed) for seed in range(min(repetitions, 3))]
    page += [
        "",
        "Confounded example, mean of y for t = 1:",
        "",
        "| | product | truth |",
        "|---|---|---|",
    ]
    for kind in ("do", "see"):
        values = ", ".join(f"{a[kind]:.2f}" for a in answers)
        page.append(f"| {kind} | {values} | {answers[0][kind + ', truth']:.2f} |")
    page += ["", "| network, 10,000 rows | SHD of the pattern, by sample |", "|---|---|"]
    page += [
        f"| {name} | {', '.join(map(str, found))} |"
        for name, found in distances(repetitions).items()
    ]
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "causal.md").write_text("\n".join([*page, ""]))
    print("\n".join(page))


if __name__ == "__main__":
    main()

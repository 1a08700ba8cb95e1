"""Differential privacy: the accountant against known values, the mechanism, and what the model
keeps of the rows.
"""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm

from simulacra_crds.tasks import FitRequest
from simulacra_intake.errors import InputError
from simulacra_schema.questions.fit import DifferentialPrivacy
from simulacra_schema.table import TableSchema
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.differential_privacy import sanitize
from simulacra_trainer.differential_privacy.domain import domain_of
from simulacra_trainer.differential_privacy.noise import (
    Budget,
    choice_mechanism,
    delta_of,
    gaussian_mechanism,
    noisy_argmax,
    rho_of,
)
from simulacra_trainer.differential_privacy.sanitize import (
    _choose_tree,
    _Column,
    _noisy,
    on_simplex,
)
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.report import render_html


@pytest.mark.parametrize(
    ("deviation", "delta", "epsilon"),
    [  # RdpAccountant of dp-accounting 0.6.0, one GaussianDpEvent
        (1.0, 1e-5, 4.728507067217623),
        (1.0, 1e-6, 5.2215396311544175),
        (2.0, 1e-6, 2.4191024886939205),
        (4.0, 1e-5, 1.0125506277526433),
        (10.0, 1e-6, 0.4299515190917843),
    ],
)
def test_the_accountant_agrees_with_a_known_one(
    deviation: float, delta: float, epsilon: float
) -> None:
    assert rho_of(epsilon, delta) == pytest.approx(1 / (2 * deviation**2), rel=5e-3)
    assert delta_of(1 / (2 * deviation**2), epsilon) == pytest.approx(delta, rel=0.05)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 5.0])
def test_budget_is_within_the_exact_gaussian_mechanism(epsilon: float) -> None:
    rho = rho_of(epsilon, 1e-6)
    mu = math.sqrt(2 * rho)  # one Gaussian of that rho: its exact delta (Balle & Wang, 2018)
    exact = norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu)
    assert exact <= 1e-6
    assert epsilon >= rho  # and never below Bun & Steinke's bound
    assert epsilon <= rho + 2 * math.sqrt(rho * math.log(1e6)) + 1e-9


def test_overspending_the_budget_raises_an_error() -> None:
    budget = Budget(1.0)
    budget.spend(0.5)
    budget.spend(0.5)
    with pytest.raises(ArithmeticError):
        budget.spend(0.01)


def shop(n: int = 4000, seed: int = 0) -> tuple[pa.Table, TableSchema]:
    rng = np.random.default_rng(seed)
    kind = rng.choice(["new", "loyal", "lapsed"], n, p=[0.5, 0.3, 0.2])
    spend = np.where(
        rng.random(n) < 0.4, 0.0, np.round(rng.gamma(2, 20, n) + 60 * (kind == "loyal"), 2)
    )
    rows = {
        "kind": kind,
        "spend": spend,
        "visits": rng.poisson(2 + 4 * (kind == "loyal")),
        "coin": rng.random(n) < 0.5,
    }
    clean = clean_table(pa.table(rows))
    return clean.table, clean.schema


def test_sanitize_spends_exactly_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    spent: list[float] = []
    shares: list[float] = []
    costs: list[float] = []
    module = sys.modules[sanitize.__module__]
    counts, argmax = module.noisy_counts, module.noisy_argmax

    def spend(budget: Budget, rho: float) -> None:
        spent.append(rho)
        shares.append(rho / budget.rho)

    # A replaced row changes two counts by one, and a score by 2 at most.
    def costed_counts(exact: np.ndarray, deviation: float) -> np.ndarray:
        costs.append(gaussian_mechanism(deviation).map(math.sqrt(2)))
        return counts(exact, deviation)

    def costed_argmax(scores: np.ndarray, scale: float) -> int:
        costs.append(choice_mechanism(scale).map(2.0))
        return argmax(scores, scale)

    monkeypatch.setattr(Budget, "spend", spend)
    monkeypatch.setattr(module, "noisy_counts", costed_counts)
    monkeypatch.setattr(module, "noisy_argmax", costed_argmax)
    table, schema = shop(500)
    sanitize(table, schema, DifferentialPrivacy(epsilon=1.0))
    assert len(spent) == 4 + 3 + 3  # columns, choices, pairs
    assert sum(shares) == pytest.approx(1.0)
    assert costs == pytest.approx(spent)


@pytest.mark.parametrize("rho", [0.01, 1.0])
def test_noise_deviation_follows_from_the_budget(rho: float) -> None:
    noise = _noisy(np.zeros(40_000, np.int64), rho, Budget(rho))
    assert noise.std() == pytest.approx(math.sqrt(1 / rho), rel=0.02)
    assert abs(noise.mean()) < 0.03 / math.sqrt(rho)
    assert np.array_equal(noise, np.rint(noise))


@pytest.mark.parametrize("rho", [0.001, 0.3])
def test_mechanism_costs_agree_with_opendp(rho: float) -> None:
    # A replaced row changes two counts by one, and a score by 2 at most.
    assert gaussian_mechanism(1 / math.sqrt(rho)).map(math.sqrt(2)) == pytest.approx(rho, rel=1e-9)
    assert choice_mechanism(4 / math.sqrt(8 * rho)).map(2.0) == pytest.approx(rho, rel=1e-9)


def test_choice_probabilities_follow_the_exponential_mechanism() -> None:
    chosen = (
        np.bincount(
            [noisy_argmax(np.array([0.0, 2.0, 4.0]), 2.0) for _ in range(4000)], minlength=3
        )
        / 4000
    )
    assert chosen == pytest.approx(np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum(), abs=0.04)


def figures_of(table: pa.Table) -> tuple[float, float]:
    """Return the share of loyal customers with many visits, and of those who spend nothing."""
    loyal = np.array(table["kind"].to_pylist()) == "loyal"
    return float(np.mean(loyal & (table["visits"].to_numpy() > 3))), float(
        np.mean(table["spend"].to_numpy() == 0)
    )


def test_larger_epsilon_gives_smaller_error() -> None:
    table, schema = shop()
    truth = np.array(figures_of(table))
    errors = []
    for epsilon in (0.02, 1.0, 50.0):
        found = []
        for seed in range(5):  # the noise is new in each
            drawn = sanitize(
                table, schema, DifferentialPrivacy(epsilon=epsilon), np.random.default_rng(seed)
            )
            assert drawn.num_rows == table.num_rows
            assert drawn.schema.equals(table.schema)
            found.append(np.abs(figures_of(drawn) - truth).sum())
        errors.append(np.mean(found))
    assert errors[2] < 0.03 < errors[0]
    assert errors[1] < 0.08


def test_noise_does_not_depend_on_the_seed() -> None:
    table, schema = shop(300)
    one, two = (
        sanitize(table, schema, DifferentialPrivacy(epsilon=1.0), np.random.default_rng(0))
        for _ in range(2)
    )
    assert not one.equals(two)


def test_without_extras_only_what_needs_them_fails_with_a_clear_error(tmp_path: Path) -> None:
    blocker = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('opendp', 'torch', 'pytorch_lightning'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "from simulacra.__main__ import main\n"
        "main()\n"
    )
    data = tmp_path / "data.csv"
    data.write_text("a,b\n" + "\n".join(f"{i % 7},{'xy'[i % 2]}" for i in range(60)) + "\n")
    asked = {"private": ["--epsilon", "1"], "neural": ["--family", "neural"], "": []}
    for extra, more in asked.items():
        arguments = ["fit", str(data), "-o", str(tmp_path / "model"), *more]
        done = subprocess.run(
            [sys.executable, "-c", blocker, *arguments], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == (2 if extra else 0), done.stderr
        named = re.findall(r"pip install 'simulacra\[(\w+)\]'", done.stderr)
        assert {*named} == {extra} - {""}
        assert "Traceback" not in done.stderr


def test_dependent_pairs_are_chosen_and_all_columns_connected() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 3, 3000)
    binned = [a, rng.integers(0, 3, 3000), (a + (rng.random(3000) < 0.1)) % 3]
    column = clean_table(pa.table({"a": a, "b": a})).schema.learned()[0]
    columns = [
        _Column(domain_of(column), np.bincount(b, minlength=3) / 3000, np.arange(3)) for b in binned
    ]
    edges = _choose_tree(columns, binned, Budget(30.0))
    assert (2, 0) in edges
    assert {i for edge in edges for i in edge} == {0, 1, 2}


def test_on_simplex_returns_the_nearest_table() -> None:
    assert on_simplex(np.array([3.0, 1.0, -2.0]), 4.0) == pytest.approx([3.0, 1.0, 0.0])
    assert on_simplex(np.array([5.0, 5.0]), 4.0) == pytest.approx([2.0, 2.0])


def test_cells_return_only_possible_values_of_the_column() -> None:
    table, schema = shop()
    rng = np.random.default_rng(0)
    for column in schema.learned():
        domain, values = domain_of(column), table.column(column.name)
        cells = domain.cells(values)
        again = domain.draw(cells, rng)
        assert np.array_equal(domain.cells(pa.chunked_array([again])), cells)


def test_private_model_keeps_no_row_and_reports_epsilon() -> None:
    table, schema = shop(1500)
    request = FitRequest(seed=1, privacy=DifferentialPrivacy(epsilon=2.0))
    trained = fit_model(table, schema, request)
    assert not trained.table.equals(table)
    assert (trained.figures["epsilon"], trained.figures["delta"]) == (2.0, 1e-6)
    said = trained.report["differential_privacy"]
    assert "schema" in said["not_covered"]
    assert "epsilon 2</b> and delta 1e-06" in render_html(trained.report)
    assert trained.figures["dcr_share"] < 0.65, (
        "half of it is chance (0.03 from fit to fit); copies would give about 1"
    )


def test_survey_weights_with_epsilon_are_rejected() -> None:
    rng = np.random.default_rng(0)
    clean = clean_table(
        pa.table({"a": rng.normal(size=99), "b": rng.normal(size=99), "w": [1.0] * 99}), weights="w"
    )
    with pytest.raises(InputError) as caught:
        fit_model(clean.table, clean.schema, FitRequest(privacy=DifferentialPrivacy(epsilon=1.0)))
    assert caught.value.pointer == "/epsilon"

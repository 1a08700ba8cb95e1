"""What a wave summary tells of who took part, and what a customer's file cannot be made to tell.

The attacker knows each person's whole record and the population, and adds log ratios over all that
the summary tells (Homer et al., 2008). The population is made: answers depend on a hidden trait.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.wave_summary import WaveSummary
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.report.attackers.attacks import auc
from simulacra_trainer.waves.shares import sample_in
from simulacra_trainer.waves.summary import questions_of, wave_summary

POPULATION, ROWS = 6_000, 400
FEW = 5


def people(columns: int, rng: np.random.Generator) -> pa.Table:
    trait = rng.standard_normal(POPULATION)
    found: dict[str, Any] = {
        "sex": rng.choice(["f", "m"], POPULATION),
        "region": rng.choice(["north", "south", "east", "west"], POPULATION),
    }
    for at in range(columns):
        score = 0.6 * trait + rng.standard_normal(POPULATION)
        found[f"q{at}"] = np.array(["no", "rather no", "rather yes", "yes"])[
            np.digitize(score, [-1.0, 0.0, 2.2])
        ]
    return pa.table(found)


def codes_of(table: pa.Table, schema: Any) -> dict[str, np.ndarray]:
    sample = sample_in(table, schema, np.zeros(table.num_rows, np.int64), ["1"])
    return {one.column.name: one.codes for one in questions_of(sample, {})}


def advantage(clean: CleanTable, seed: int, *, strict: bool = False) -> tuple[float, WaveSummary]:
    """Return the AUC of members against others, and the summary."""
    schema = clean.schema.model_copy(update={"banner": ["sex", "region", "q0", "q1"]})
    order = np.random.default_rng(seed).permutation(POPULATION)
    members, others, rest = (
        clean.table.take(pa.array(order[start : start + size]))
        for start, size in ((0, ROWS), (ROWS, ROWS), (2 * ROWS, POPULATION - 2 * ROWS))
    )
    summary = wave_summary(members, schema, Knowledge(), strict=strict, seed=seed)
    if not summary.waves:
        return 0.5, summary
    scores = [np.zeros(ROWS), np.zeros(ROWS)]
    known, base = [codes_of(one, schema) for one in (members, others)], codes_of(rest, schema)
    for question in summary.waves[0].questions:
        name, count = question.name, len(question.levels)
        tables = [(None, [question.hits], question.respondents)]
        for by, cells in question.by.items():
            tables.append((by, cells.hits, sum(one or 0.0 for one in cells.respondents)))
        for by, hits, respondents in tables:
            cells = [of[name] + (0 if by is None else of[by] * count) for of in (*known, base)]
            shares = np.array([np.nan if one is None else one for row in hits for one in row])
            population = np.bincount(cells[2], minlength=shares.size) + 0.5
            ratio = np.log((shares + 0.5) / respondents / (population / population.sum()))
            for score, cell in zip(scores, cells[:2], strict=True):
                score += np.clip(np.nan_to_num(ratio), -2, 2)[cell]
    return auc(*scores).value + 0.5, summary


@pytest.mark.parametrize("columns", [6, 26])
def test_nobody_is_told_to_have_taken_part_beyond_the_cap(columns: int) -> None:
    clean = clean_table(people(columns, np.random.default_rng(columns)))
    found = [advantage(clean, seed) for seed in range(3)]
    assert np.mean([one for one, _ in found]) <= 0.67 + 0.02
    strict = [advantage(clean, seed, strict=True) for seed in range(3)]
    assert np.mean([one for one, _ in strict]) <= 0.60 + 0.02
    told = [len(of.waves[0].banner) if of.waves else -1 for _, of in found]
    if columns == 6:
        assert min(told) == 4, "nothing is left out without need"


def test_no_cell_tells_of_few_persons_and_none_follows_from_others() -> None:
    rng = np.random.default_rng(0)
    clean = clean_table(people(3, rng))
    table = clean.table.slice(0, ROWS)
    schema = clean.schema.model_copy(update={"banner": ["sex", "region"]})
    summary = wave_summary(table, schema, Knowledge())
    exact = codes_of(table, schema)
    exactly = []
    for question in summary.waves[0].questions:
        count = len(question.levels)
        for by, cells in question.by.items():
            size = len(cells.respondents)
            counts = np.bincount(
                exact[by] * count + exact[question.name], minlength=size * count
            ).reshape(size, count)
            told = np.array([[one is not None for one in row] for row in cells.hits])
            assert counts[told].min() >= FEW - 3, "the noise of a count is of about one person"
            for lines in (told, told.T):
                assert all((~line).sum() != 1 for line in lines if line.size > 1)
            shown = np.array([[one or 0.0 for one in row] for row in cells.hits])
            exactly += [*(np.abs(shown - counts)[told] < 0.05)]
    assert np.mean(exactly) < 0.7, "counts have the noise of about one person"

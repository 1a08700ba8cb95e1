"""What rows are worth, for the report: of the table, of each question, of each dependent pair.

Of a single pair there are a word and its strength; how far its cells are from unseen ones is noisy
on halves of a few hundred rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_schema.table import TableSchema
from simulacra_schema.verdicts import PAIRS
from simulacra_schema.worth import MANY_ROWS, worth_of_model
from simulacra_trainer.evidence import basis_of, margin, respondents
from simulacra_trainer.report.comparison.dependence import (
    Dependence,
    Trial,
    find_dependences,
    measured_ratio,
    word_for,
)

UNMEASURED = "not measured"
"""Word of a pair in the report."""


def model_worth(
    trials: Sequence[Trial], table: pa.Table, schema: TableSchema, *, seed: int
) -> dict[str, Any]:
    """Return the part `worth` of a model's report.

    Args:
        trials: of half-models, of any family.
        table: the clean table of all rows.
        schema: its schema.
        seed: of samples.
    """
    names = [column.name for column in schema.learned()]
    pairs = find_dependences(trials, schema, names, seed=seed)
    evidence = respondents(table, schema)
    found: dict[str, Any] = {
        "respondents": evidence,
        "basis": basis_of(schema),
        "ratio": measured_ratio(pairs, evidence),
        "pairs": [pair.to_json() for pair in pairs],
        "kept": _kept_by_column(pairs),
    }
    of = worth_of_model(figures_of(found))
    found |= {"for_inference": of.for_inference, "sentence": of.sentence, "reason": of.reason}
    if of.worth is None:
        return found | {"rows": MANY_ROWS, "worth": None}
    return found | rows_worth(of.worth, MANY_ROWS, table, names)


def _kept_by_column(pairs: Sequence[Dependence]) -> dict[str, str]:
    """Return the word for the mean of each column's pairs."""
    by_column: dict[str, list[float]] = {}
    for pair in pairs:
        for name in pair.columns if pair.discrepancy is not None else ():
            by_column.setdefault(name, []).append(pair.discrepancy or 0.0)
    return {name: word_for(float(np.mean(of))) for name, of in by_column.items()}


def rows_worth(worth: float, rows: int, table: pa.Table, names: Sequence[str]) -> dict[str, Any]:
    """Return worth, design effect, and worth and margin of each question.

    Args:
        worth: respondents that the rows are worth.
        rows: their number.
        table: clean rows; a question is answered where it is not null.
        names: the questions.
    """
    return {
        "rows": rows,
        "worth": worth,
        "design_effect": rows / worth if worth > 0 else None,
        "questions": [_question(name, worth, table) for name in names],
    }


def _question(name: str, worth: float, table: pa.Table) -> dict[str, Any]:
    column = table.column(name)
    answered = 1.0 - column.null_count / len(column) if len(column) else 0.0
    return {"column": name, "worth": answered * worth, "margin": margin(answered * worth)}


def figures_of(worth: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the figures without names, for a status; what is not known is left out."""
    if worth is None:
        return {}
    words = Counter(pair["kept"] for pair in worth["pairs"])
    figures = {"respondents": float(worth["respondents"])}
    for word in PAIRS:
        figures[f"pairs_{word}"] = float(words[UNMEASURED if word == "unmeasured" else word])
    if worth["ratio"] is not None:
        figures["kept_ratio"] = float(worth["ratio"])
    return figures

"""What rows are worth, for the report: of the table, of each question, of each dependent pair.

Single pairs have words and no figures, which are noisy on halves of a few hundred rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.verdicts import MANY_ROWS, worth_of
from simulacra_trainer.evidence import INFERENCE_RATIO, basis_of, margin, respondents
from simulacra_trainer.report.dependence import Trial, find_dependences, measured_ratio, word_for

ENOUGH_TO_SEE = 200
"""Respondents from whom on columns that seem independent have no strong dependence to lose."""


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
    ratio = measured_ratio(pairs)
    by_column: dict[str, list[float]] = {}
    for pair in pairs:
        for name in pair.columns:
            by_column.setdefault(name, []).append(pair.discrepancy)
    evidence = respondents(table, schema)
    return {
        "respondents": evidence,
        "basis": basis_of(schema),
        "ratio": ratio,
        "for_inference": ratio >= INFERENCE_RATIO,
        "pairs": [{"columns": [*pair.columns], "kept": pair.word} for pair in pairs],
        "kept": {name: word_for(float(np.mean(of))) for name, of in by_column.items()},
        **rows_worth(worth_of(evidence, MANY_ROWS, ratio), MANY_ROWS, table, names),
    }


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
    """Return the figures without names, for a status.

    In a small table, that no dependence was found does not say that there is none to lose: the
    share kept is then left out, as not measured.
    """
    if worth is None:
        return {}
    figures = {"respondents": float(worth["respondents"])}
    if worth["pairs"] or worth["respondents"] >= ENOUGH_TO_SEE:
        figures["kept_ratio"] = float(worth["ratio"])
    return figures

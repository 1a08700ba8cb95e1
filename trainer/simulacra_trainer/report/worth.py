"""What rows are worth, for the report: of the table, of each question, of each dependent pair.

Of a single pair there are a word and its strength; how far its cells are from unseen ones is noisy
on halves of a few hundred rows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_schema.table import TableSchema
from simulacra_schema.verdicts import PAIRS
from simulacra_schema.worth import MANY_ROWS, worth_of_model
from simulacra_trainer.design import design_of
from simulacra_trainer.evidence import basis_of, margin, respondents, two_digits
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
    trials: Sequence[Trial],
    table: pa.Table,
    schema: TableSchema,
    design: Mapping[str, Any] | None = None,
    *,
    seed: int,
) -> dict[str, Any]:
    """Return the part `worth` of a model's report."""
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
    return found | rows_worth(of.worth, MANY_ROWS, table, names, design)


def design_report(table: pa.Table, schema: TableSchema) -> dict[str, Any] | None:
    """Return the part `design` of a model's report, which names columns; None without a design.

    Design effects have two digits: more would tell of single persons.
    """
    design = design_of(table, schema)
    if design is None:
        return None
    effect = two_digits(design.effect)
    effects = {name: two_digits(one) for name, one in design.of_questions().items()}
    return {
        "rows": table.num_rows,
        "respondents": table.num_rows / effect,
        "clusters": design.strata.size if design.has_clusters else None,
        "strata": int(design.strata.max(initial=-1)) + 1,
        "degrees_of_freedom": design.degrees_of_freedom,
        **({} if design.replicates is None else {"replicates": design.replicates.shape[1]}),
        **({} if schema.targets is None else {"raked": True}),
        "design_effect": effect,
        "questions": [
            {"column": name, "design_effect": effects[name]}
            for name in sorted(effects, key=lambda one: -effects[one])
        ],
    }


def _kept_by_column(pairs: Sequence[Dependence]) -> dict[str, str]:
    """Return the word for the mean of each column's pairs."""
    by_column: dict[str, list[float]] = {}
    for pair in pairs:
        for name in pair.columns if pair.discrepancy is not None else ():
            by_column.setdefault(name, []).append(pair.discrepancy or 0.0)
    return {name: word_for(float(np.mean(of))) for name, of in by_column.items()}


def rows_worth(
    worth: float,
    rows: int,
    table: pa.Table,
    names: Sequence[str],
    design: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return worth, design effect, and worth and margin of each question.

    design: part `design` of the model's report; questions have its design effects.
    """
    questions = []
    for name, own in zip(names, _worth_by_question(worth, rows, names, design), strict=True):
        column = table.column(name)
        of = own * (1.0 - column.null_count / len(column) if len(column) else 0.0)
        questions.append({"column": name, "worth": of, "margin": margin(of)})
    return {
        "rows": rows,
        "worth": worth,
        "design_effect": rows / worth if worth > 0 else None,
        "questions": questions,
    }


def _worth_by_question(
    worth: float, rows: int, names: Sequence[str], design: Mapping[str, Any] | None
) -> list[float]:
    """Return the worth of each question: of a part of its variance, its own design effect."""
    if design is None or worth <= 0:
        return [worth] * len(names)
    own = {one["column"]: one["design_effect"] for one in design["questions"]}
    drawn = 1.0 / rows
    known = max(1.0 / worth - drawn, 0.0)  # what the respondents add to the variance (worth_of)
    of = (own.get(name, design["design_effect"]) / design["design_effect"] for name in names)
    return [1.0 / (known * factor + drawn) for factor in of]


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

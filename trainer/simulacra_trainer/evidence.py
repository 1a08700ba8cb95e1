"""Evidence: how many independent respondents a table, or rows generated from it, are worth.

An estimate from N generated rows errs by the error of the respondents and by the noise of N draws:
variance V / n + V / N, the variance of simple synthesis (Raab, Nowok & Dibben, 2016). A table worth
1 / (1/n + 1/N) respondents has just this variance. methods-worth.md says how.
"""

from typing import Literal

import numpy as np
import pyarrow as pa

from simulacra_intake.rows_of_persons import Ints, persons_in
from simulacra_intake.survey_weights import Floats, effective_rows, row_weights
from simulacra_schema.table import TableSchema
from simulacra_trainer.design import design_of

Basis = Literal[
    "n",
    "survey weights",
    "persons",
    "design",
    "backing",
    "segment",
    "nowcast",
    "do",
    "not measured",
]
"""Where the number of respondents comes from."""
Z95 = 1.959963984540054
"""Half the width of a 95 % interval, in standard errors."""
LEAST_RATIO = 0.1
STEPS_AN_ERROR = 5.0


def persons_behind(table: pa.Table, schema: TableSchema) -> float:
    """Return the effective persons of a clean table.

    With survey weights that is Kish's effective number of rows (Kish, 1965); with several rows a
    person it is Kish's number for the persons' totals, as if the rows of a person were all alike.
    """
    return _effective(table.num_rows, row_weights(table, schema), persons_in(table, schema))


def respondents(table: pa.Table, schema: TableSchema) -> float:
    """Return the independent respondents of a clean table: its persons.

    With a survey's design they are the rows over their design effect, and no more than persons.
    """
    persons = persons_behind(table, schema)
    design = design_of(table, schema)
    if design is None:
        return persons
    drawn = table.num_rows / two_digits(design.effect)
    return drawn if schema.subject() is None else min(drawn, persons)


def rows_behind(table: pa.Table, schema: TableSchema) -> float:
    """Return the effective rows of a clean table, whoever's they are (Kish, 1965)."""
    return _effective(table.num_rows, row_weights(table, schema), None)


def rows_a_respondent(table: pa.Table, schema: TableSchema) -> float:
    """Return how many effective rows count as one respondent; 1 without persons."""
    return rows_behind(table, schema) / max(respondents(table, schema), 1e-300)


def drawn_apart(table: pa.Table, schema: TableSchema) -> float:
    """Return how many persons of a clean table tell as much as one drawn apart from all others.

    1 without clusters and strata.
    """
    return persons_behind(table, schema) / max(respondents(table, schema), 1e-300)


def weighted_respondents(weights: Floats, persons: Ints | None) -> float:
    """Return Kish's effective number for weights float64 [n] of rows or of persons int64 [n]."""
    return _effective(weights.size, weights, persons)


def basis_of(schema: TableSchema) -> Basis:
    """Return the basis of the respondents of a whole table."""
    stated = (schema.cluster(), schema.targets)
    if any(stated) or schema.strata() or schema.replicate_weights():
        return "design"
    if schema.subject() is not None:
        return "persons"
    return "n" if schema.weight() is None else "survey weights"


def two_digits(figure: float) -> float:
    """Return a figure to two significant digits: more would say what no estimate knows."""
    return float(f"{figure:.2g}")


def coarse(figure: float, error: float) -> float:
    """Return a figure of real rows in steps of at most a fifth of its standard error.

    Steps are 1, 2 or 5 times a power of ten. They add 0.2 % to the error, and hide what one person
    changes: exact means of two groups are fractions, whose denominators count people.
    """
    if not 0.0 < error < np.inf or not np.isfinite(figure):
        return figure
    power = 10.0 ** np.floor(np.log10(error / STEPS_AN_ERROR))
    step = max(n for n in (1.0, 2.0, 5.0) if n * power <= error / STEPS_AN_ERROR * (1 + 1e-9))
    return float(f"{round(figure / (step * power)) * step * power:.12g}")


def coarse_share(share: float, rows: float) -> float:
    """Return a share of real rows, 0..1, in steps of at most a fifth of its standard error."""
    near = (share * rows + 2.0) / (rows + 4.0)  # as Agresti & Coull (1998): 0 and 1 have an error
    return coarse(share, float(np.sqrt(near * (1.0 - near) / max(rows, 1.0))))


def margin(worth: float, share: float = 0.5) -> float:
    """Return half the width of the 95 % interval of a share, 0..1."""
    return Z95 * float(np.sqrt(share * (1.0 - share) / worth)) if worth > 0 else 1.0


def _effective(rows: int, weights: Floats | None, persons: Ints | None) -> float:
    if weights is None and persons is None:
        return float(rows)
    each = np.ones(rows) if weights is None else weights
    totals: Floats = each
    if persons is not None:
        totals = np.bincount(persons, weights=each).astype(np.float64)
    return effective_rows(totals) if np.any(totals > 0) else 0.0

"""Inference from generated rows: intervals that are those of the respondents behind the rows.

Generated tables end with the column `evidence_weight`. Its sum is what the rows are worth in
respondents; used as frequency weights, it makes the standard errors of a plain analysis right.
docs/inference.md says which procedures of which software read it so.

`pool` and `glm` need the extra `inference` (pandas, statsmodels).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Literal, NamedTuple

EVIDENCE_WEIGHT = "evidence_weight"
PAIR = ("pair", "world")
"""First columns of counterfactual tables, maybe with underscores."""
Z95 = 1.959963984540054
LEVEL = 0.95
FEWEST_IMPLICATES = 10
"""Of the rule "posterior", which takes all variance from the differences of implicates."""
Rule = Literal["evidence", "posterior"]


class Pooled(NamedTuple):
    """A pooled estimate, or arrays of them, with its 95 % interval."""

    estimate: Any
    standard_error: Any
    low: Any
    high: Any
    degrees_of_freedom: Any


def worth(table: Any) -> float:
    """Return how many respondents the rows are worth: the sum of their evidence weights.

    Args:
        table: generated rows as a pandas, polars or pyarrow table; any part of them is worth its
            share. Of counterfactual pairs, the rows of one world.

    Raises:
        ValueError: there is no such column, it is empty because the worth was not measured, or the
            rows are of both worlds.
    """
    names = _names(table)
    column = weight_column(table)
    if [name.rstrip("_") for name in names[:2]] == [*PAIR] and len(set(_list(table, names[1]))) > 1:
        message = f"The rows are pairs. Keep one world: rows with one value of {names[1]}."
        raise ValueError(message)
    weights = _list(table, column)
    if any(weight is None or math.isnan(weight) for weight in weights):
        message = f"{column} is empty: what these rows are worth was not measured."
        raise ValueError(message)
    return math.fsum(weights)


def weight_column(table: Any) -> str:
    """Return the name of the evidence weight: the last one, if the upload had the name as well."""
    found = [name for name in _names(table) if name.rstrip("_") == EVIDENCE_WEIGHT]
    if not found:
        message = f"The table has no column {EVIDENCE_WEIGHT}. Generate it with evidence."
        raise ValueError(message)
    return found[-1]


def margin(share: float, worth: float) -> float:
    """Return half the width of the 95 % interval of a share, 0..1, of rows worth `worth`.

    Raises:
        ValueError: a share outside 0..1, or rows that are worth nothing.
    """
    if not 0 <= share <= 1 or not worth > 0:
        message = "A margin needs a share from 0 to 1 and rows that are worth more than 0."
        raise ValueError(message)
    return Z95 * math.sqrt(share * (1 - share) / worth)


def pool(estimates: Any, variances: Any, rule: Rule = "evidence") -> Pooled:
    """Combine the estimates of several generated tables of one survey (implicates).

    Rule "evidence" is for variances that were computed with evidence weights: these are already
    those of the respondents, so T = mean variance + variance between the tables / m, the form of
    Reiter (2003). One table is enough. Rule "posterior" is T = (1 + 1/m) between - mean variance
    (Raghunathan, Reiter & Rubin, 2003), for statistics without a formula for their variance; give
    variances of 0 and at least 10 tables from models that were fit on different draws.

    Args:
        estimates: of m tables, [m] or [m, k].
        variances: their squared standard errors, of the same shape or one number.
        rule: how to combine.

    Returns:
        Numbers, or arrays [k].

    Raises:
        ValueError: an unknown rule, or too few tables for it.
        ModuleNotFoundError: numpy or scipy is missing; the message says what to install.
    """
    np = _module("numpy")
    t_distribution = _module("scipy.stats").t
    q = np.asarray(estimates, float)
    m = q.shape[0] if q.ndim else 0
    if rule not in ("evidence", "posterior"):
        raise ValueError('The rule must be "evidence" or "posterior".')
    if m < (1 if rule == "evidence" else FEWEST_IMPLICATES):
        message = f"Too few tables: {m}. One is enough for the rule evidence, 10 for posterior."
        raise ValueError(message)
    within = np.broadcast_to(np.asarray(variances, float), q.shape).mean(0)
    between = q.var(0, ddof=1) if m > 1 else np.zeros_like(within)
    if rule == "posterior":
        raw = (1 + 1 / m) * between - within
        total = np.where(raw > 0, raw, between)
        freedom = np.full_like(total, m - 1.0)
    else:
        total = within + between / m
        some = np.where(between > 0, between, 1.0)
        freedom = np.where(between > 0, (m - 1) * (1 + m * within / some) ** 2, np.inf)
    error = np.sqrt(total)
    reach = t_distribution.ppf((1 + LEVEL) / 2, freedom) * error
    estimate = q.mean(0)
    parts = (estimate, error, estimate - reach, estimate + reach, freedom)
    return Pooled(*(float(part) if q.ndim == 1 else part for part in parts))


def glm(table: Any, formula: str, family: Any = "gaussian") -> Any:
    """Fit a generalized linear model to generated rows with their evidence weights.

    This is statsmodels' GLM with `freq_weights`. Rows with a missing value in the formula count for
    nothing, as in any GLM.

    Args:
        table: generated rows as a pandas, polars or pyarrow table.
        formula: as statsmodels reads it, such as "happy ~ C(region) + age".
        family: gaussian, binomial, poisson or gamma, or a family of statsmodels.

    Returns:
        The fitted results of statsmodels: params, bse, conf_int(), summary().

    Raises:
        ValueError: an unknown family, or rows without evidence weights, as in `worth`.
        ModuleNotFoundError: statsmodels or pandas is missing; the message says what to install.
    """
    families = _module("statsmodels.api").families
    known = {
        name.lower(): getattr(families, name)
        for name in ("Gaussian", "Binomial", "Poisson", "Gamma")
    }
    if isinstance(family, str):
        if family not in known:
            raise ValueError(f"The family must be one of {', '.join(known)}.")
        family = known[family]()
    worth(table)
    frame = table if hasattr(table, "loc") else table.to_pandas()
    model = _module("statsmodels.formula.api").glm
    return model(formula, frame, family=family, freq_weights=frame[weight_column(table)]).fit()


def _names(table: Any) -> list[str]:
    names: Iterable[Any] = getattr(table, "column_names", None) or table.columns
    return [str(name) for name in names]


def _list(table: Any, name: str) -> list[Any]:
    column = table[name]
    values = column.to_pylist() if hasattr(column, "to_pylist") else column.to_list()
    return list(values)


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        package = name.partition(".")[0]
        message = f"{package} is not installed. Run pip install 'simulacra[inference]'"
        raise ModuleNotFoundError(message, name=package) from None

"""Inference from generated rows: intervals that are those of the respondents behind the rows.

Generated tables end with the column `evidence_weight`. Its sum is what the rows are worth in
respondents; used as frequency weights, it makes the standard errors of a plain analysis right.
docs/inference.md says which procedures of which software read it so.

Tables whose gaps were filled are pooled by `pool_filled`, and have no evidence weight.

`bootstrap`, `pool`, `pool_filled` and `glm` need the extra `inference` (pandas, statsmodels).
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from simulacra.evidence_weight import EVIDENCE_WEIGHT, TEXT, margin, weight_column, worth
from simulacra.optional import optional

__all__ = [
    "EVIDENCE_WEIGHT",
    "Estimate",
    "bootstrap",
    "glm",
    "margin",
    "pool",
    "pool_filled",
    "weight_column",
    "worth",
]
EXTRA = "inference"
_FACTOR = re.compile(r"\bC\([^()]*\)")
_NUMBER = re.compile(r"[-+]?\d[\d.,\u00a0\u202f' ]*(?: ?[%€$£]| [A-Z]{3})?")
"""A number with a decimal sign or signs between thousands, maybe with a currency or percent."""
LEVEL = 0.95
FEWEST_ROWS = 20
FEWEST_SAMPLES = 100
"""Of the bootstrap: rows of a sample, and samples."""


class Estimate(NamedTuple):
    """An estimate, or arrays of them, with its 95 % interval."""

    estimate: Any
    standard_error: Any
    low: Any
    high: Any
    degrees_of_freedom: Any


def bootstrap(
    table: Any, statistic: Callable[[Any], Any], *, samples: int = 1_000, seed: int = 0
) -> Estimate:
    """Return the 95 % interval of any statistic, such as a median, by the m out of n bootstrap.

    Samples of as many rows as the table is worth are drawn from it with replacement (Bickel, Götze
    & van Zwet, 1997). The interval lies between the percentiles 2.5 and 97.5 of their statistics.

    Args:
        table: generated rows as a pandas, polars or pyarrow table; a part of them, for a group.
        statistic: takes a table of the same kind and returns a number, or an array [k]. It ignores
            the evidence weight, which is in the number of rows of a sample.
        samples: to draw.
        seed: of the draws.

    Returns:
        Numbers, or arrays [k]. The estimate is the statistic of all rows, and the standard error
        the standard deviation of those of the samples; the degrees of freedom are infinite.

    Raises:
        ValueError: rows without evidence weights, as in `worth`; rows worth fewer than 20
            respondents; fewer than 100 samples; a statistic that is not a number in some sample.
        ModuleNotFoundError: numpy is missing; the message says what to install.
    """
    np = optional("numpy", EXTRA)
    size = round(worth(table))
    if size < FEWEST_ROWS or samples < FEWEST_SAMPLES:
        message = (
            f"The rows are worth {size} respondents, with {samples} samples. The bootstrap needs "
            f"rows worth at least {FEWEST_ROWS}, and {FEWEST_SAMPLES} samples."
        )
        raise ValueError(message)
    take = getattr(table, "take", None) or table.__getitem__  # polars
    rng = np.random.default_rng(seed)
    places = (rng.integers(0, len(table), size) for _ in range(samples))
    drawn = np.array([statistic(take(at)) for at in places], float)
    if not np.isfinite(drawn).all():
        message = (
            "The statistic is undefined in some bootstrap samples. "
            "Leave out missing values, or choose larger groups."
        )
        raise ValueError(message)
    estimate, error = np.asarray(statistic(table), float), drawn.std(0, ddof=1)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    parts = (estimate, error, low, high, np.full_like(error, np.inf))
    return Estimate(*(part if estimate.ndim else float(part) for part in parts))


def pool(estimates: Any, variances: Any) -> Estimate:
    """Combine the estimates of several generated tables of one survey.

    It is for generated rows. For given rows whose gaps were filled it is too small by the variance
    between the tables: use `pool_filled`. Numbers do not show which of the two they are from.

    The variances must be those with evidence weights, which are already those of the respondents.
    So T = mean variance + variance between the tables / m, the form of Reiter (2003). One table is
    enough.

    Args:
        estimates: of m tables, [m] or [m, k].
        variances: their squared standard errors, of the same shape or one number.

    Returns:
        Numbers, or arrays [k].

    Raises:
        ValueError: no table, or text instead of numbers.
        ModuleNotFoundError: numpy or scipy is missing; the message says what to install.
    """
    np = optional("numpy", EXTRA)
    q, within, between = _parts_of(estimates, variances)
    m = q.shape[0]
    some = np.where(between > 0, between, 1.0)
    freedom = np.where(between > 0, (m - 1) * (1 + m * within / some) ** 2, np.inf)
    return _interval(q, within + between / m, freedom)


def pool_filled(estimates: Any, variances: Any, *, rows: int) -> Estimate:
    """Combine the estimates of the m tables of one completion, by Rubin's rules.

    T = mean variance + (1 + 1/m) variance between the tables, with the degrees of freedom of
    Barnard and Rubin (1999). For generated rows use `pool`.

    Args:
        estimates: of m tables, two at least, [m] or [m, k].
        variances: their squared standard errors, of the same shape or one number.
        rows: of one table; of persons, where a person has several.

    Returns:
        Numbers, or arrays [k].

    Raises:
        ValueError: fewer than two tables or rows, or text instead of numbers.
        ModuleNotFoundError: numpy or scipy is missing; the message says what to install.
    """
    np = optional("numpy", EXTRA)
    q, within, between = _parts_of(estimates, variances)
    m = q.shape[0]
    if m < 2 or rows < 2:
        raise ValueError("Give the estimates of at least two filled tables, and their rows.")
    added = (1 + 1 / m) * between
    total = within + added
    share = np.where(total > 0, added / np.where(total > 0, total, 1.0), 0.0)
    whole = rows - 1.0
    observed = (whole + 1) / (whole + 3) * whole * (1 - share)
    some = np.where(share > 0, share, 1.0)
    between_tables = np.where(share > 0, (m - 1) / some**2, np.inf)
    freedom = 1.0 / (1.0 / between_tables + 1.0 / np.maximum(observed, 1e-9))
    return _interval(q, total, freedom)


def _parts_of(estimates: Any, variances: Any) -> tuple[Any, Any, Any]:
    """Return the estimates, the mean variance and the variance between tables; ValueError."""
    np = optional("numpy", EXTRA)
    if any(np.asarray(of).dtype.kind not in "fiub" for of in (estimates, variances)):
        raise ValueError(f"An estimate or a variance {TEXT}")
    q = np.asarray(estimates, float)
    m = q.shape[0] if q.ndim else 0
    if m < 1:
        raise ValueError("Give the estimates of at least one table.")
    within = np.broadcast_to(np.asarray(variances, float), q.shape).mean(0)
    return q, within, q.var(0, ddof=1) if m > 1 else np.zeros_like(within)


def _interval(q: Any, total: Any, freedom: Any) -> Estimate:
    """Return the mean of the estimates with the interval of a total variance."""
    np = optional("numpy", EXTRA)
    t_distribution = optional("scipy.stats", EXTRA).t
    error = np.sqrt(total)
    reach = t_distribution.ppf((1 + LEVEL) / 2, freedom) * error
    estimate = q.mean(0)
    parts = (estimate, error, estimate - reach, estimate + reach, freedom)
    return Estimate(*(float(part) if q.ndim == 1 else part for part in parts))


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
        ValueError: an unknown family, rows without evidence weights, as in `worth`, or a column of
            the formula whose numbers were read as text; in C() it is a factor.
        ModuleNotFoundError: statsmodels or pandas is missing; the message says what to install.
    """
    families = optional("statsmodels.api", EXTRA).families
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
    _refuse_numbers_as_text(frame, formula)
    model = optional("statsmodels.formula.api", EXTRA).glm
    return model(formula, frame, family=family, freq_weights=frame[weight_column(table)]).fit()


def _refuse_numbers_as_text(frame: Any, formula: str) -> None:
    """Raise ValueError for a column of numbers that was read as text: it would be many factors."""
    outside = _FACTOR.sub("", formula)
    for name in map(str, frame.columns):
        if not re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", outside):
            continue
        words = [word for word in frame[name].unique() if isinstance(word, str)]
        if any(not word.isdecimal() for word in words) and all(map(_NUMBER.fullmatch, words)):
            raise ValueError(f"{name} {TEXT}")

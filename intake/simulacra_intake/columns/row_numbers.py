"""Whole numbers that identify rows, whatever their column is called.

Measurements repeat. Of n of them about n² / 2m pairs are equal, if m whole numbers lie between
their limits, and more if they are uneven (the birthday problem; von Mises, 1939). Numbers that
differ where measurements could not were given out, one to each row.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.identifiers import is_named_id
from simulacra_intake.limits import MIN_ROWS
from simulacra_intake.personal_data import vocabulary

Ints = npt.NDArray[np.int64]
MOST_DOUBLES, MOST_NAMED_DOUBLES = 0.01, 1 / 6
"""Share of the rows that may have the number of another row, as persons who answered twice do.

More of them, under the name of an identifier, show persons with several rows.
"""
CHANCE, CHANCE_IN_ORDER = 1e-6, 1e-3
"""Probability below which it is no chance that numbers differ; tables are sorted by their keys."""
FEWEST_CODES, FEWEST_DIGITS = 200, 6
"""Numbers that may be codes drawn at random, and their digits where the rows are in no order."""
LONGEST_MEASURED = 1 << 53
"""No measurement has more digits than a double: such numbers are hashes and random codes."""
EVEN = 0.05
"""Significance level at which such codes must pass for evenly spread; amounts crowd somewhere."""

_SECONDS = (1_104_537_600, 2_051_222_400)
"""The years 2005 to 2034 as Unix time."""
_PER_SECOND = (1, 10**3, 10**6, 10**9)
_YEARS = (1900, 2100)


def is_row_number(name: str, values: pa.Array) -> bool:
    """Return whether integers identify rows: by their name, or because they were made to differ."""
    present = len(values) - values.null_count
    doubles = present - pc.count_distinct(values).as_py()
    is_measured = vocabulary.says_measurement(name)
    named = not is_measured and (
        vocabulary.is_persons_number(name) or vocabulary.ends_in_identifier(name)
    )
    if present < MIN_ROWS or doubles > (MOST_NAMED_DOUBLES if named else MOST_DOUBLES) * present:
        return False
    if named:
        return True
    numbers = values.drop_null().to_numpy(zero_copy_only=False).astype(np.int64)
    low, high = int(numbers.min()), int(numbers.max())
    is_time = vocabulary.name_contains_time(name)
    if not doubles and (is_named_id(name) or (high - low == len(values) - 1 and not is_time)):
        return True
    if is_measured or are_moments(numbers):
        return False
    if not doubles and high - low > LONGEST_MEASURED:
        return True
    in_order = bool((np.diff(numbers) >= 0).all())
    pairs = present * (present - 1) / 2
    chance = _chance_of_at_most(doubles, pairs / (high - low + 1))
    if chance < (CHANCE_IN_ORDER if in_order else CHANCE):
        return True
    long = low >= 10 ** (FEWEST_DIGITS - 1)
    return not doubles and present >= FEWEST_CODES and (long or in_order) and _are_even(numbers)


def _chance_of_at_most(found: int, expected: float) -> float:
    from scipy.stats import poisson  # loading it takes longer than reading most tables

    return float(poisson.cdf(found, expected))


def are_moments(numbers: Ints) -> bool:
    """Return whether all numbers are Unix times, of any unit, or dates such as 20240131."""
    low, high = _SECONDS
    if any(bool(((numbers >= low * k) & (numbers <= high * k)).all()) for k in _PER_SECOND):
        return True
    return are_dates(numbers)


def are_dates(numbers: Ints) -> bool:
    """Return whether all numbers are dates such as 20240131."""
    year, month, day = numbers // 10_000, numbers // 100 % 100, numbers % 100
    in_calendar = (year >= _YEARS[0]) & (year <= _YEARS[1]) & (month >= 1) & (month <= 12)
    return bool((in_calendar & (day >= 1) & (day <= 31)).all())


def _are_even(numbers: Ints) -> bool:
    """Return whether numbers are spread evenly between their limits.

    A Kolmogorov-Smirnov test does not tell them from a uniform distribution.
    """
    from scipy.stats import kstest

    low, high = int(numbers.min()), int(numbers.max())
    test = kstest(numbers, "uniform", args=(low, high - low))
    return bool(test.pvalue >= EVEN)

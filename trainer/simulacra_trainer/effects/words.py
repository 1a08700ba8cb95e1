"""Numbers and lists of columns in the texts of answers."""

from collections.abc import Sequence

import numpy as np

SHOWN = 8


def figure(value: float) -> str:
    """Return a number with three significant digits."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def number_or_day(value: float, digits: int, *, is_day: bool) -> str:
    """Return a number with these digits, or the day of a moment in microseconds since 1970."""
    if is_day:
        return str(np.datetime64(int(value), "us").astype("datetime64[D]"))
    return f"{value:.{digits}g}"


def interval(low: float, high: float) -> str:
    """Return an interval in brackets."""
    return f"[{figure(low)}, {figure(high)}]"


def percent(share: float) -> str:
    """Return a share as a whole percent."""
    return f"{100 * share:.0f} %"


def listed(names: Sequence[str], most: int = SHOWN) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(names[:most])
    more = len(names) - most
    return f"{shown} and {more} more" if more > 0 else shown


def sentence(text: str) -> str:
    """Return a text that begins with a capital."""
    return text[0].upper() + text[1:]


def beyond(low: float, high: float) -> str:
    """Return what an interval around 0 excludes."""
    return f"no effect beyond {figure(max(abs(low), abs(high)))} either way"

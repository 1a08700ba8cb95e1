"""What holds in a table and must hold in its generated rows: small functions of two frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

Frame = pd.DataFrame
Wrong = Callable[[Frame, Frame], Any]
"""Takes the upload and rows; returns a mask of the rows, or of the values, that are wrong."""


class Hold(NamedTuple):
    """A property of a table that its generated rows have as well.

    Attributes:
        name: of the property.
        check: takes the upload and rows, and says what is wrong with the rows, if anything is.
        always: it holds under conditions and interventions too, because it holds in each row.
        is_joint: it is about several columns at once.
    """

    name: str
    check: Callable[[Frame, Frame], str | None]
    always: bool = True
    is_joint: bool = False


def _each(name: str, wrong: Wrong, *, is_joint: bool = False) -> Hold:
    """Return a property of each row."""

    def check(upload: Frame, rows: Frame) -> str | None:
        found = wrong(upload, rows)
        count = int(np.count_nonzero(found))
        return f"{name}: not so in {count} of {len(found)} rows" if count else None

    return Hold(name, check, is_joint=is_joint)


def _figure(name: str, of: Callable[[Frame], float], off: float, *, is_joint: bool = False) -> Hold:
    """Return a figure of the whole table that differs at most by `off`."""

    def check(upload: Frame, rows: Frame) -> str | None:
        real, drawn = of(upload), of(rows)
        return None if abs(real - drawn) <= off else f"{name}: {real:.3f}, in the rows {drawn:.3f}"

    return Hold(name, check, always=False, is_joint=is_joint)


def _numbers(rows: Frame, name: str) -> pd.Series:
    return pd.to_numeric(rows[name], errors="coerce").dropna().astype(float)


# Of one column


def whole(name: str) -> Hold:
    """Whole numbers stay whole."""
    return _each(f"{name} is whole", lambda _, rows: _numbers(rows, name) % 1 != 0)


def decimals(name: str, digits: int) -> Hold:
    """Numbers have no more decimals than those of the upload."""

    def wrong(_: Frame, rows: Frame) -> Any:
        values = _numbers(rows, name)
        return ~np.isclose(values, values.round(digits), atol=1e-9, rtol=0)

    return _each(f"{name} has {digits} decimals", wrong)


def within(name: str, low: float, high: float) -> Hold:
    """Values stay between two bounds."""
    label = f"{name} within {low:g} to {high:g}"
    return _each(label, lambda _, rows: ~_numbers(rows, name).between(low, high))


def below(name: str, other: str, by: float) -> Hold:
    """Values are less than those of another column by at least a number."""

    def wrong(_: Frame, rows: Frame) -> pd.Series:
        low, high = (pd.to_numeric(rows[one], errors="coerce") for one in (name, other))
        return low + by > high

    return _each(f"{name} at least {by:g} below {other}", wrong, is_joint=True)


def date(name: str) -> Hold:
    """Dates stay dates near the range of the upload, whose ends are one person's each."""

    def wrong(upload: Frame, rows: Frame) -> Any:
        found, known = pd.to_datetime(rows[name], errors="coerce"), pd.to_datetime(upload[name])
        low, high = known.min(), known.max()
        beyond = (high - low) / 10 + pd.Timedelta("1D")
        return ~found.between(low - beyond, high + beyond)

    return _each(f"{name} is a date near the upload's range", wrong)


def few_values(name: str) -> Hold:
    """A column of few values gets no new ones."""
    label = f"{name} has the values of the upload"
    return _each(label, lambda upload, rows: ~rows[name].dropna().isin(upload[name].dropna()))


def constant(name: str) -> Hold:
    """A constant stays what it is."""
    return _each(f"{name} is constant", lambda upload, rows: rows[name] != upload[name].iloc[0])


def empty(name: str) -> Hold:
    """A column without values stays so."""
    return _each(f"{name} is empty", lambda _, rows: rows[name].notna())


def no_text_of_upload(name: str) -> Hold:
    """Free text of the upload does not come back."""
    label = f"{name} has no text of the upload"
    return _each(label, lambda upload, rows: rows[name].dropna().isin(upload[name]))


def share_of_multiples(name: str, of: int) -> Hold:
    """As many numbers are round as in the upload."""
    label = f"share of {name} that is a multiple of {of}"
    return _figure(label, lambda frame: float((_numbers(frame, name) % of == 0).mean()), 0.1)


def share_of_decimals(name: str) -> Hold:
    """As many numbers have decimals as in the upload."""
    label = f"share of {name} with decimals"
    return _figure(label, lambda frame: float((_numbers(frame, name) % 1 != 0).mean()), 0.03)


def missing_share(name: str) -> Hold:
    """As many values are missing as in the upload."""
    return _figure(f"missing {name}", lambda frame: float(frame[name].isna().mean()), 0.1)


# Of several columns


def sums(total: str, parts: Mapping[str, float]) -> Hold:
    """A column is a sum of others."""
    label = f"{total} = {' '.join(f'{sign:+g} {name}' for name, sign in parts.items())}"

    def wrong(_: Frame, rows: Frame) -> Any:
        found = sum(sign * rows[name] for name, sign in parts.items())
        return (rows[total] - found).abs() > 0.0051

    return _each(label, wrong, is_joint=True)


def ratio(name: str, above: str, below: str) -> Hold:
    """A column is a ratio of two others."""

    def wrong(_: Frame, rows: Frame) -> Any:
        return (rows[name] - rows[above] / rows[below]).abs() > 2e-5

    return _each(f"{name} = {above} / {below}", wrong, is_joint=True)


def logarithm(name: str, of: str, digits: int) -> Hold:
    """A column is the natural logarithm of another."""

    def wrong(_: Frame, rows: Frame) -> Any:
        return (rows[name] - np.log(rows[of])).abs() > 0.51 * 10.0**-digits

    return _each(f"{name} = log({of})", wrong, is_joint=True)


def shares(*names: str) -> Hold:
    """Columns are shares of 100, none below 0."""

    def wrong(_: Frame, rows: Frame) -> Any:
        parts = rows[[*names]].astype(float)
        return ((parts.sum(axis=1) - 100).abs() > 1e-6) | (parts < 0).any(axis=1)

    return _each(f"{names[0]} to {names[-1]} sum to 100", wrong, is_joint=True)


def ranks(*names: str) -> Hold:
    """Columns have the ranks from 1 on, each once."""

    def wrong(_: Frame, rows: Frame) -> Any:
        found = np.sort(rows[[*names]].to_numpy(float), axis=1)
        return (found != np.arange(1, len(names) + 1)).any(axis=1)

    return _each(f"{names[0]} to {names[-1]} are ranks", wrong, is_joint=True)


def years(age: str, born: str, met: int) -> Hold:
    """An age is the years from a birth to one survey year, or one less."""
    label = f"{age} is that of {born}"
    wrong: Wrong = lambda _, rows: ~(met - rows[born] - rows[age]).isin([0, 1])  # noqa: E731
    return _each(label, wrong, is_joint=True)


def picked(name: str, by: str, form: str) -> Hold:
    """A column has the value of the one of several columns that another names."""

    def wrong(_: Frame, rows: Frame) -> Any:
        of = [row[form.format(row[by])] for _, row in rows.iterrows()]
        return (rows[name] - np.array(of, float)).abs() > 0.0051

    return _each(f"{name} is that of the chosen {by}", wrong, is_joint=True)


def one_hot(*names: str) -> Hold:
    """Exactly one of several columns is 1."""
    label = f"exactly one of {names[0]} to {names[-1]}"
    wrong: Wrong = lambda _, rows: rows[[*names]].astype(float).sum(axis=1) != 1  # noqa: E731
    return _each(label, wrong, is_joint=True)


def decides(cause: str, effect: str) -> Hold:
    """A level of one column decides that of another, as in the upload; rare words decide none."""

    def wrong(upload: Frame, rows: Frame) -> Any:
        given = upload.dropna(subset=[cause])
        known = dict(zip(given[cause].astype(str), given[effect].astype(str), strict=True))
        expected = rows[cause].astype(str).map(known)
        return expected.notna() & (expected != rows[effect].astype(str))

    return _each(f"{cause} decides {effect}", wrong, is_joint=True)


def duration(start: str, end: str, low: float, high: float) -> Hold:
    """The minutes between two times are those of the upload."""

    def wrong(_: Frame, rows: Frame) -> Any:
        span = pd.to_datetime(rows[end]) - pd.to_datetime(rows[start])
        return ~(span.dt.total_seconds() / 60).between(low, high)

    return _each(f"{low:g} to {high:g} minutes from {start} to {end}", wrong, is_joint=True)


def correlation(one: str, other: str, off: float) -> Hold:
    """The correlation of two columns is near that of the upload."""

    def of(frame: Frame) -> float:
        return float(frame[one].astype(float).corr(frame[other].astype(float)))

    return _figure(f"correlation of {one} and {other}", of, off, is_joint=True)

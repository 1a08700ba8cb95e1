"""Generated rows in memory, from the service or from the engine in this process."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulacra import tables
from simulacra.models import Generation, Json, html_table, quality_lines, verdict_lines
from simulacra.plots import marginals
from simulacra.quota_cells import range_of

SHOWN = 10
"""Rows and columns that a notebook shows."""
LITTLE = 50
"""Effective number of real rows below which rows under conditions say little."""
Bounds = tuple[Any, Any]
"""Lowest and highest number, or first and last date; None is an open end."""
MOST_FEW = 5
"""Cells of few respondents that a warning names."""


class Rows:
    """Generated rows: `table` is a `pyarrow.Table`; print says how good they are.

    pandas, polars and everything else that reads Arrow's C stream take the object itself.

    Attributes:
        table: the rows; the last column is evidence_weight unless it was left out.
        evidence: what they are worth, with `sentence`; None if it was not asked for.
        attainment: requested and attained value of each condition; None without conditions.
        identification: with interventions, what may be claimed of their effects.
        verdicts: likeness and privacy of the model's rows and the worth of these, a line each.
        generation_id: of the service; None for rows of this process.
    """

    def __init__(
        self,
        table: Any,
        *,
        evidence: Json | None = None,
        attainment: Json | None = None,
        identification: Json | None = None,
        verdicts: Sequence[Json] = (),
        generation_id: str | None = None,
    ) -> None:
        self.table = table
        self.evidence = evidence
        self.attainment = attainment
        self.identification = identification
        self.verdicts = verdict_lines(verdicts)
        self._quality = quality_lines(verdicts, evidence)
        self.generation_id = generation_id

    def to_pandas(self) -> Any:
        """Return the rows as a `pandas.DataFrame`."""
        return tables.to_pandas(self.table)

    def to_polars(self) -> Any:
        """Return the rows as a `polars.DataFrame`."""
        return tables.to_polars(self.table)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        """Return the same, a picture of each column, and the first rows, as HTML."""
        names = self.table.column_names[:SHOWN]
        cells = ([row[name] for name in names] for row in self.table.slice(0, SHOWN).to_pylist())
        said = html_table(("Rows",), ([line] for line in [*self._lines(), *self._left_out()]))
        return said + marginals(self.table, names) + html_table(names, cells)

    def _left_out(self) -> Iterator[str]:
        """Yield which columns a notebook does not show."""
        if self.table.num_columns > SHOWN:
            yield f"Below: the first {SHOWN} of {self.table.num_columns} columns. `table` has all."

    def _lines(self) -> Iterator[str]:
        yield f"{len(self):,} generated rows of {self.table.num_columns} columns"
        yield from _said(self.attainment, self.identification, self._quality)


def generated(made: Generation) -> Iterator[str]:
    """Yield what generated rows are: conditions, what interventions rest on, verdicts."""
    return _said(made.attainment, made.identification, made.quality_lines)


def _said(
    attainment: Json | None, identification: Json | None, verdicts: Sequence[str]
) -> Iterator[str]:
    yield from map(in_words, (attainment or {}).get("conditions", ()))
    yield from map(quota_in_words, (attainment or {}).get("quotas") or ())
    yield from few_behind(attainment)
    yield from little_behind(attainment)
    yield from rests_on(identification)
    yield from verdicts


def little_behind(attainment: Json | None) -> Iterator[str]:
    """Yield a warning if few real rows are behind the conditions."""
    backing = (attainment or {}).get("backing")
    if backing is None or backing >= LITTLE:
        return
    behind = "about 1 real row is" if backing < 1.5 else f"about {backing:,.0f} real rows are"
    yield f"Only {behind} behind these conditions: the rows say little. Widen the conditions."


def few_behind(attainment: Json | None) -> Iterator[str]:
    """Yield a warning of each quota whose cell has few real rows."""
    quotas = (attainment or {}).get("quotas") or ()
    few = [one for one in quotas if one.get("backing") is not None and one["backing"] < LITTLE]
    for one in few[:MOST_FEW]:
        backing = one["backing"]
        behind = f"about {backing:,.0f} real rows are"
        said = "about 1 real row is" if 0.5 <= backing < 1.5 else behind
        yield f"Only {said} in the cell {cell_words(one)}: its rows say little."
    if len(few) > MOST_FEW:
        yield f"{len(few) - MOST_FEW} more cells have fewer than {LITTLE} real rows."


def rests_on(identification: Json | None) -> Iterator[str]:
    """Yield what the interventions of generated rows rest on, and what is left open."""
    found = identification or {}
    yield from filter(None, [(found.get("verdict") or {}).get("text"), found.get("assumption")])
    yield from found.get("warnings") or ()


def asked_of(made: Mapping[str, Any]) -> str:
    """Return the conditions and interventions of a generation in a line, empty without any."""
    conditions = made.get("conditions") or {}
    parts = [
        f"{column} {level} {_percent(share)}"
        for column, shares in (conditions.get("categorical") or {}).items()
        for level, share in shares.items()
    ]
    for column, ends in (conditions.get("numeric") or {}).items():
        parts.append(f"{column} {_part_words(ends)}")
    for quota in conditions.get("quotas") or ():
        parts.append(f"{cell_words(quota)} {quota_shares(quota)}")
    for column, value in (made.get("interventions") or {}).items():
        shown = f"{value:g}" if isinstance(value, float) else value
        parts.append(f"do({column} = {shown})")
    return ", ".join([*parts, *(["in pairs"] if made.get("counterfactual") else [])])


def _range(low: float | None, high: float | None) -> str:
    """Return a range in words: 5 to 6, from 5, to 6."""
    if low is None or high is None:
        return f"to {high:g}" if low is None else f"from {low:g}"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def in_words(outcome: Json) -> str:
    """Return one condition of an attainment, requested and attained, in words."""
    if outcome.get("level") is not None:
        asked = f"asked {_percent(outcome['asked'])} of the rows"
        what = f'{outcome["column"]} "{outcome["level"]}": {asked}'
    elif outcome.get("earliest") or outcome.get("latest"):
        what = f"{outcome['column']} {_part_words(outcome)}: asked of all rows"
    else:
        low, high = outcome.get("minimum"), outcome.get("maximum")
        ends = [word for word, end in (("from", low), ("to", high)) if end is not None]
        values = [f"{end:g}" for end in (low, high) if end is not None]
        limits = " ".join(f"{word} {value}" for word, value in zip(ends, values, strict=True))
        what = f"{outcome['column']} {limits or 'present'}: asked of all rows"
    met = "" if outcome["met"] else " (not met)"
    return f"{what}, attained {_percent(outcome['attained'])}{met}"


def quota_in_words(outcome: Json) -> str:
    """Return one quota of an attainment, requested and attained, in words."""
    met = "" if outcome["met"] else f" (not met: {outcome.get('why', '')})"
    asked = f"asked {quota_shares(outcome)} of the rows"
    return f"{cell_words(outcome)}: {asked}, attained {_percent(outcome['attained'])}{met}"


def cell_words(quota: Json) -> str:
    """Return the cell of a quota in words."""
    return " and ".join(f"{name} {_part_words(part)}" for name, part in quota["where"].items())


def quota_shares(quota: Json) -> str:
    """Return the share of a quota in words, or its ends."""
    if quota.get("share") is not None:
        return _percent(quota["share"])
    low, high = quota.get("min"), quota.get("max")
    if low is None or high is None:
        return f"at most {_percent(high or 0)}" if low is None else f"at least {_percent(low)}"
    return f"{_percent(low)} to {_percent(high)}"


def _part_words(part: Any) -> str:
    """Return what a cell asks of a column, or a range, in words."""
    if not isinstance(part, Mapping):
        return " or ".join(map(str, part)) if isinstance(part, list) else str(part)
    if part.get("levels"):
        return " or ".join(part["levels"])
    low, high = part.get("earliest"), part.get("latest")
    if low is not None or high is not None:
        if low is None or high is None:
            return f"to {high}" if low is None else f"from {low}"
        return low if low == high else f"{low} to {high}"
    return _range(part.get("min"), part.get("max"))


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def conditions_of(
    conditions: Json | None,
    shares: Mapping[str, Mapping[str, float]] | None,
    ranges: Mapping[str, Bounds] | None,
    quotas: Sequence[Json] | None = None,
) -> Json | None:
    """Return the `conditions` of a request; shares, ranges and quotas are added to those given."""
    found: Json = {**(conditions or {})}
    if shares:
        levels = {name: dict(one) for name, one in shares.items()}
        found["categorical"] = {**found.get("categorical", {}), **levels}
    if ranges:
        found["numeric"] = dict(found.get("numeric", {}))
        for name, (low, high) in ranges.items():
            found["numeric"][name] = range_of(low, high)
    if quotas:
        found["quotas"] = [*found.get("quotas", ()), *quotas]
    return found or None

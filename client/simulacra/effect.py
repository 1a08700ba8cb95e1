"""An effect estimate as the service answers: its verdict in words, then its figures.

The verdict says what an answer rests on, so every view shows it before any number.
"""

from html import escape
from typing import Any

from simulacra.models import Answer, Document, Json, html_table
from simulacra.plots import Drawn, interval_lines, intervals

MADE_BEFORE = (
    "This estimate was made before verdicts, so it does not say what it rests on. Estimate again."
)
_FIGURES = ("effect", "low", "high", "rows", "support")
_SHOWN = 3
"""Columns up to which a row of the printed table names all, or all that it lacks."""
_WHOM = {"instrument": "whom the instrument moves", "parallel trends": "the group, since then"}
_FIRST = ("precision", "answered", "groups_differ", "union", "alternatives", "checks")


class Verdict(Document):
    """What may be claimed: kind, text, rests_on (statements) and asks (a column, or None)."""

    kind: str
    text: str
    rests_on: list[Json] | None
    asks: str | None
    presumes: list[list[str]] | None
    """Of a usual order: the blocks that nobody has confirmed."""

    def __str__(self) -> str:
        """Return the text."""
        return str(self["text"])


class Effect(Answer):
    """An average causal effect. `print(effect)` begins with what it rests on."""

    effect_id: str
    treatment: str
    value: float | str
    baseline: float | str
    outcome: str
    segment: str | None
    by: list[str] | None
    before: list[str] | None
    after: list[str] | None
    dont_know: list[str] | None
    blocks: list[list[str]] | None
    population: str | None
    negative_controls: list[str] | None
    instrument: str | None
    parallel_trends: Json | None
    precision: str | None
    union: Json | None
    otherwise: Json | None
    """Of a usual order: low and high whatever comes first."""
    answered: Json | None
    """Whom the answer is for: share, text, why, left_out and everybody; None for all."""
    ace: Json | None
    """What the verdict claims: effect (or None), low, high, rows and support."""
    identified: bool | None
    """Deprecated: whether the verdict is assumed."""
    effective_rows: float | None
    naive: float | None
    method: str | None
    adjustment: list[str] | None
    alternatives: list[Json] | None
    open_columns: list[str] | None
    checks: list[Json] | None
    sensitivity: Json | None
    elasticity: Json | None
    """Of a number as treatment: value (None unless assumed), low, high, text; or why none."""
    segments: list[Json] | None
    """By level or group: figures, interval `alone`, effective_rows, thin_support, difference."""
    unshown_segments: list[str] | None
    groups_differ: Json | None
    """Whether groups differ at all: p, and the same as text."""
    warnings: list[str] | None

    @property
    def verdict(self) -> Verdict | None:
        """What may be claimed; None until there is an answer, or if it was made before verdicts."""
        found = self.get("verdict")
        return None if found is None else Verdict(found)

    def verdict_first(self) -> Json:
        """Return the fields with the verdict before any figure."""
        if self.status != "ready":
            return dict(self)
        first = {name: self[name] for name in _FIRST if name in self}
        verdict = {"verdict": self.get("verdict") or MADE_BEFORE}
        return verdict | first | self | verdict

    def __str__(self) -> str:
        """Return the verdict, its precision, then a table of the figures."""
        if self.status != "ready":
            return self.state(self.effect_id)
        rows = [self._heads(), *([name, *cells] for name, cells in self._rows())]
        table = [_plain_table(rows)] if self.ace else []
        return "\n\n".join(["\n".join(self._words()), *table, *self._notes()])

    def _repr_html_(self) -> str:
        """Return the same as HTML."""
        if self.status != "ready":
            return super()._repr_html_()
        words = "".join(f"<p>{escape(line)}</p>" for line in self._words())
        if not self.ace:
            return words
        rows = ([name, *cells] for name, cells in self._rows())
        drawn = self._drawn()
        picture = intervals(drawn) if drawn else ""
        return words + picture + html_table(self._heads(), rows)

    def picture(self) -> str:
        """Return the intervals as an SVG; of a group, that of the group alone is thick.

        Empty where the verdict claims no interval.
        """
        drawn = self._drawn() if self.ace else []
        named = '<svg xmlns="http://www.w3.org/2000/svg" '
        return interval_lines(drawn).replace("<svg ", named, 1) if drawn else ""

    def _drawn(self) -> list[Drawn]:
        return [
            (name, one.get("effect"), one["low"], one["high"], _within(one.get("alone")))
            for name, one in self._answers()
            if one.get("low") is not None and one.get("high") is not None
        ]

    def _words(self) -> list[str]:
        """Return the verdict, then its precision, then the question that would narrow it."""
        if self.verdict is None:
            return [MADE_BEFORE]
        words = [self.verdict.text]
        if self.precision is not None and self.verdict.kind != "contradicted":
            words.append(f"Precision: {self.precision}{_effective(self.effective_rows)}.")
        if asks := self.verdict.asks:
            came = f"if it came before {self.treatment}, else in `after`"
            words.append(f"What to state next: {asks} in `before` {came}. Then ask again.")
        if presumed := self.verdict.get("presumes"):
            order = "; ".join(", ".join(block) for block in presumed)
            words.append(f"If that is the order, ask again with the blocks {order}.")
        if self.groups_differ:
            words.append(self.groups_differ["text"])
        if self.elasticity:
            words.append(_elasticity(self.elasticity))
        return words

    def _rows(self) -> list[tuple[str, list[str]]]:
        """Return the cells of each answer."""
        names = self._heads()[1:]
        return [(name, [_cell(one.get(field)) for field in names]) for name, one in self._answers()]

    def _heads(self) -> tuple[str, ...]:
        """Return the heads of the table: of groups, with the interval of each alone."""
        are_both = any(one.get("alone") for one in self.segments or [])
        return ("", *_FIGURES, *(("alone",) if are_both else ()))

    def _answers(self) -> list[tuple[str, Json]]:
        """Return the figures of the whole, of each adjustment set left open, and by segment."""
        sets = self.alternatives or []
        kind = self.verdict.kind if self.verdict else ""
        whole = _WHOM.get(kind) or _population(self.population)
        rows = [(self.answered["text"] if self.answered else whole, self.ace or {})]
        if len(sets) > 1:
            rows = [("all that is left open", {**(self.ace or {}), "effect": None})]
            tried = [one["adjustment"] for one in sets if not one.get("reverses")]
            rows += [(_set_name(one, tried, self.outcome), one) for one in sets]
        if self.answered:
            rows.append((f"{whole}, by an assumption", self.answered["everybody"]))
        return rows + [(_segment_name(self._group, one), one) for one in self.segments or []]

    @property
    def _group(self) -> str | None:
        """The columns of the groups, in words."""
        return ", ".join(self.by) if self.by else self.segment

    def _notes(self) -> list[str]:
        plain = "" if self.naive is None else f"Plain difference of averages: {self.naive:.4g}."
        failed = [one for one in self.checks or [] if one["outcome"] == "failed"]
        notes = [
            plain,
            *(f"Check failed: {one['detail']}" for one in failed),
            *self._segment_notes(),
        ]
        text = "\n".join([note for note in notes if note] + (self.warnings or []))
        return [text] if text else []

    def _segment_notes(self) -> list[str]:
        """Return what to know of the segments: which differ, and which are not shown."""
        first, *others = self.segments or [{}]
        changed = [one for one in others if _excludes_zero(one.get("difference"))]
        if changed:
            levels = ", ".join(str(one["level"]) for one in changed)
            differs = (
                f"The effect differs from that of {self._group}: {first['level']} in: {levels}."
            )
        elif others and others[0].get("difference"):
            differs = "No segment's effect differs from the first one's beyond chance."
        else:
            differs = ""
        few = ", ".join(self.unshown_segments or [])
        both = "The intervals of groups, low to high, hold for all groups together; alone, for one."
        return [
            both if "alone" in self._heads() else "",
            differs,
            f"Not shown, too small or beyond the 50 largest: {few}." if few else "",
        ]


def _segment_name(segment: str | None, one: Json) -> str:
    thin = " (thin support)" if one.get("thin_support") else ""
    return f"{segment}: {one.get('level')}{thin}"


def _elasticity(of: Json) -> str:
    if of.get("low") is None:
        return str(of["text"])
    value = "" if of.get("value") is None else f"{of['value']:.3g}, "
    return f"{of['text']}: {value}between {of['low']:.3g} and {of['high']:.3g}."


def _within(span: Json | None) -> tuple[float, float] | None:
    return None if span is None else (span["low"], span["high"])


def _excludes_zero(span: Json | None) -> bool:
    return span is not None and not span["low"] <= 0 <= span["high"]


def _population(name: str | None) -> str:
    names = {"treated": "those treated", "overlap": "those who could have had either value"}
    return names.get(name or "", "all")


def _effective(rows: float | None) -> str:
    return "" if rows is None else f", {rows:,.0f} effective rows in the smaller arm"


def _set_name(one: Json, tried: list[list[str]], outcome: str) -> str:
    """Return a name of an adjustment set that no other has.

    It has its columns, those that it lacks, or those that not all sets have.
    """
    if one.get("reverses"):
        return f"if {outcome} comes first"
    columns = one["adjustment"]
    known = dict.fromkeys(name for each in tried for name in each)
    lacking = [name for name in known if name not in columns]
    if len(columns) <= _SHOWN:
        return f"adjusted for {', '.join(columns) or 'no column'}"
    if len(lacking) <= _SHOWN:
        return f"adjusted for all but {', '.join(lacking)}" if lacking else "adjusted for all"
    own = [name for name in columns if not all(name in each for each in tried)]
    if len(lacking) < len(own):
        return f"adjusted for all but {', '.join(lacking)}"
    common = len(columns) - len(own)
    return f"adjusted for {', '.join([*own, *([f'{common} that all have'] if common else [])])}"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['low']:.4g} to {value['high']:.4g}"
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _plain_table(rows: list[Any]) -> str:
    """Return the rows in columns: the first to the left, the figures to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for first, *cells in rows:
        figures = "  ".join(c.rjust(w) for c, w in zip(cells, widths[1:], strict=True))
        lines.append(f"{first.ljust(widths[0])}  {figures}".rstrip())
    return "\n".join(lines)

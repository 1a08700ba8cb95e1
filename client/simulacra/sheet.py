"""An answer sheet as the service answers: what may be claimed first, then the levers."""

from html import escape

from simulacra.models import Answer, Json, html_table

_HEADS = ("rank", "lever", "effect", "low", "high", "verdict", "precision")


class Sheet(Answer):
    """All levers of one outcome, ranked where the verdict allows it. `print(sheet)` shows them."""

    sheet_id: str
    outcome: str
    asked: list[Json] | None
    before: list[str] | None
    after: list[str] | None
    dont_know: list[str] | None
    blocks: list[list[str]] | None
    population: str | None
    text: str | None
    """What is ranked and what is not; show it before any figure."""
    levers: list[Json] | None
    left_out: list[Json] | None
    critical: float | None
    intervals: int | None
    rows: int | None
    missing: list[Json] | None
    seed: int | None
    version: str | None
    model_sha256: str | None

    def verdict_first(self) -> Json:
        """Return the fields with what may be claimed before any figure."""
        if self.status != "ready":
            return dict(self)
        levers = [{"verdict": one["verdict"]} | one for one in self.levers or []]
        return {"text": self.text, "levers": levers} | {
            name: value for name, value in self.items() if name not in ("text", "levers")
        }

    def __str__(self) -> str:
        """Return what is ranked, then each lever with its verdict in words."""
        if self.status != "ready":
            return self.state(self.sheet_id)
        lines = [str(self.text)]
        for one in self.levers or []:
            place = "-" if one.get("rank") is None else f"{one['rank']}."
            lines += ["", f"{place} {_contrast(one)}", f"   {one['verdict']['text']}"]
            figures = _figures(one)
            if figures:
                lines.append(f"   {figures}")
            if one.get("unranked"):
                lines.append(f"   {str(one['unranked']).capitalize()}.")
        lines += [_left(one) for one in self.left_out or []]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the same as HTML."""
        if self.status != "ready":
            return super()._repr_html_()
        rows = ([_cell(cell) for cell in _row(one)] for one in self.levers or [])
        return f"<p>{escape(str(self.text))}</p>{html_table(_HEADS, rows)}"


def _contrast(one: Json) -> str:
    value, baseline = (
        f"{given:.12g}" if isinstance(given, float) else str(given)
        for given in (one["value"], one["baseline"])
    )
    return f"{one['treatment']}: {value}, not {baseline}"


def _figures(one: Json) -> str:
    """Return what the verdict claims: point and interval, the interval alone, or nothing."""
    found, span = one.get("ace"), one.get("union")
    if found is None or span is None:
        return ""
    low, high = f"{span['low']:.3g}", f"{span['high']:.3g}"
    whom = f", for {one['answered']['text']}" if one.get("answered") else ""
    if found.get("effect") is None:
        return f"Between {low} and {high}, {one['precision']}{whom}."
    return f"Effect {found['effect']:.3g} ({low} to {high}), {one['precision']}{whom}."


def _row(one: Json) -> list[object]:
    kind, figures, span = one["verdict"]["kind"], one.get("ace") or {}, one.get("union") or {}
    ends = [figures.get("effect"), span.get("low"), span.get("high")]
    precision = None if kind == "contradicted" else one["precision"]
    return [one.get("rank"), _contrast(one), *ends, kind, precision]


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _left(one: Json) -> str:
    return f"No lever: {one['column']}. {one['reason']}"

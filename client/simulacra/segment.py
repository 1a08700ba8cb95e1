"""A segment estimate as the service answers: shares in words, verdict included."""

from collections.abc import Callable

from simulacra.models import Answer, Json, html_table

_FIGURES = ("respondents", "share", "low", "high", "worth", "verdict")
_SHARES = ("share", "low", "high")
_WAVES = ("of other waves", "since the wave before")
ONE_BY_ONE = "Each interval holds by itself."
_NEXT = ("80 %", "last wave carried forward", "error in past waves", "of carrying forward")


class Segment(Answer):
    """Certified shares of answers in segments. `print(segment)` gives them in words."""

    segment_id: str
    segment: list[Json]
    questions: list[str]
    targets: Json | None
    summary: Json | None
    shares: list[Json] | None
    conditions: Json | None
    """Of a single segment: conditions of `generate` whose rows agree with the shares."""
    prices: Json | None
    price_answer: Json | None
    """Of a price question: `text`, `points`, `curves` by `prices`, `elasticities`."""
    reason: str | None

    def __str__(self) -> str:
        """Return a sentence for each share, then what holds for all."""
        if self.status != "ready":
            return self.state(self.segment_id)
        if self.prices is not None:
            return str((self.price_answer or {}).get("text") or self.reason)
        shares = self.shares or []
        hold = ONE_BY_ONE if any(one.get("next") for one in shares) else _together(len(shares))
        return "\n".join([*(one["text"] for one in shares), self.reason or hold])

    def _repr_html_(self) -> str:
        """Return the shares as a table."""
        if self.price_answer:
            points = self.price_answer["points"]
            named = ([one[name] for name in ("name", "price", "low", "high")] for one in points)
            return html_table(("point", "price", "low", "high"), named)
        if self.status != "ready" or not self.shares:
            return super()._repr_html_()
        beside: tuple[str, ...] = ()
        more: Callable[[Json], list[str]] = _of_wave
        if any(one.get("next") for one in self.shares):
            beside, more = _NEXT, _of_next
        elif any(one["helped"] or one["change"] for one in self.shares):
            beside = _WAVES
        rows = (
            [_where(one), _asked(one), *_cells(one), *(more(one) if beside else ())]
            for one in self.shares
        )
        return html_table(("segment", "answer", *_FIGURES, *beside), rows)


def _where(one: Json) -> str:
    return ", ".join(f"{part['column']} = {part['level']}" for part in one["segment"])


def _asked(one: Json) -> str:
    return f"{one['question']} = {one['answer']}"


def _cells(one: Json) -> list[str]:
    shares = [f"{100 * one[name]:.1f} %" for name in _SHARES]
    many = f"{one['respondents']:,.0f}" if one["respondents"] else "fewer than 5"
    return [many, *shares, f"{one['worth']:,.0f}", one["verdict"]]


def _of_wave(one: Json) -> list[str]:
    helped, change = one["helped"], one["change"]
    moved = f"{100 * change['change']:+.1f} points, {change['verdict']}" if change else ""
    return [f"{helped:,.0f}" if helped else "", moved]


def _of_next(one: Json) -> list[str]:
    of = one["next"]
    names = ("low80", "high80", "carried", "error", "carried_error")
    low, high, carried, *errors = (f"{100 * of[name]:.1f}" for name in names)
    return [f"{low} % to {high} %", f"{carried} %", *(f"{error} points" for error in errors)]


def _together(count: int) -> str:
    if count == 1:
        return "The interval holds with 95 %."
    return f"All {count} intervals hold together with 95 %."

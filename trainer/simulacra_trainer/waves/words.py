"""What moved, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any


def summary_of(found: Mapping[str, Any]) -> str:
    """Return the whole of a part `waves` in one or two sentences."""
    if found["newest"] is None:
        return "Fewer than 2 waves have 100 rows, so nothing is tested."
    words = [one["verdict"] for one in found["answers"]]
    return (
        f"Wave {found['newest']} beside wave {found['before']}: of {_count(len(words), 'answer')} "
        f"{words.count('moved')} moved and {words.count('probably moved')} probably moved. "
        "No sign of a move is no proof that nothing moved."
    )


def sentence_of(answer: Mapping[str, Any], background: Sequence[str]) -> str:
    """Return what an answer did, beside earlier waves too, and whose doing it was."""
    before = f" ({answer['before']} before)" if "before" in answer else ""
    name = f"{answer['column']}{before}: {answer['answer']}"
    up = answer["change"] > 0
    how = {"moved": "", "probably moved": "probably "}.get(answer["verdict"])
    if how is None:
        parts = [f"{name} shows no sign of a change: {_signed(answer)}."]
    else:
        size = f"{_points(abs(answer['change']))} ({_span(answer, 1 if up else -1)})"
        parts = [f"{name} {how}{'rose' if up else 'fell'} by {size}."]
    if (earlier := answer["earlier"]) is not None:
        waves = f"the mean of waves {_listed(earlier['waves'])}"
        told = "" if earlier["verdict"] == "no sign" else f", {earlier['verdict']}"
        parts.append(f"Beside {waves}: {_signed(earlier)}{told}.")
    if (of := answer["composition"]) is not None:
        alike = _listed(sorted(background))
        made = f"The make-up of the sample by {alike} alone would have moved it by"
        parts.append(f"{made} {_signed(of['composition'])}.")
        told = "show no change" if _spans_zero(of["answers"]) else "answer differently"
        parts.append(f"People alike in {alike} {told}: {_signed(of['answers'])}.")
    return " ".join(parts)


def _spans_zero(of: Mapping[str, float]) -> bool:
    return of["low"] <= 0 <= of["high"]


def _signed(of: Mapping[str, float]) -> str:
    return f"{_points(of['change'], '+')} ({_span(of, 1)})"


def _span(of: Mapping[str, float], sign: int) -> str:
    ends = sorted(sign * of[end] for end in ("low", "high"))
    return " to ".join(_number(end) for end in ends)


def _points(share: float, sign: str = "") -> str:
    return f"{_number(share, sign)} points"


def _number(share: float, sign: str = "") -> str:
    return format(round(100 * share, 1) + 0.0, f"{sign}.3g")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"

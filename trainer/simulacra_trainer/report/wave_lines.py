"""Pictures of answers over the waves of a survey, as inline SVG: a line with its band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from simulacra_trainer.report.charts import WIDTH, short

HEIGHT, AXIS, LEFT, RIGHT = 90, 18, 34, 8
LEAST_SPAN = 0.1
"""Of the vertical axis: smaller changes look small."""


def draw_lines(answer: Mapping[str, Any], waves: Sequence[str]) -> Markup:
    """Return the shares of an answer by wave with their 95 % intervals, gaps where few persons are.

    Args:
        answer: an entry of the report's `waves`.
        waves: their names, the earliest first.
    """
    found = [
        (at, share, share - margin, share + margin)
        for at, (share, margin) in enumerate(zip(answer["shares"], answer["margins"], strict=True))
        if share is not None
    ]
    low, high = _span([min(one[2:]) for one in found], [max(one[2:]) for one in found])
    step = (WIDTH - LEFT - RIGHT) / max(len(waves) - 1, 1)

    def spot(at: int, share: float) -> str:
        down = (HEIGHT - 4) * (high - min(max(share, low), high)) / (high - low) + 2
        return f"{LEFT + at * step:.1f} {down:.1f}"

    bands, lines, dots = [], [], []
    for _, together in groupby(enumerate(found), lambda one: one[1][0] - one[0]):
        run = [one for _, one in together]
        edge = [spot(at, top) for at, _, _, top in run]
        edge += [spot(at, bottom) for at, _, bottom, _ in reversed(run)]
        bands.append(f"M{'L'.join(edge)}z")
        lines.append(f"M{'L'.join(spot(at, share) for at, share, _, _ in run)}")
        dots += [f"M{spot(at, share)}h0" for at, share, _, _ in run]
    path = Markup('<path class="{}" d="{}"/>')
    drawn = [("band", bands), ("line", lines), ("dot", dots)]
    body = Markup("").join(path.format(name, "".join(parts)) for name, parts in drawn)
    text = Markup('<text x="{:.0f}" y="{:.0f}" text-anchor="{}">{}</text>')
    texts = [
        text.format(LEFT - 5, 12, "end", f"{100 * high:.0f} %"),
        text.format(LEFT - 5, HEIGHT, "end", f"{100 * low:.0f} %"),
        text.format(LEFT, HEIGHT + 14, "start", short(waves[0])),
        text.format(WIDTH, HEIGHT + 14, "end", short(waves[-1])),
    ]
    label = f"{answer['column']}: {answer['answer']} in waves {waves[0]} to {waves[-1]}"
    svg = Markup('<svg class="chart" role="img" aria-label="{}" viewBox="0 0 {} {}">{}{}</svg>')
    return svg.format(label, WIDTH, HEIGHT + AXIS, body, Markup("").join(texts))


def _span(lows: Sequence[float], highs: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the vertical axis: whole percent between 0 and 1."""
    low, high = max(min(lows), 0.0), min(max(highs), 1.0)
    more = max(LEAST_SPAN - (high - low), 0.0) / 2
    low, high = max(low - more, 0.0), min(high + more, 1.0)
    return int(100 * low) / 100, -int(-100 * high) / 100

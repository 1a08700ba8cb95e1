"""Small pictures for notebooks as inline SVG: marginals of rows, and intervals of effects.

They take the text color of the page, so that they read on light and on dark notebooks.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

WIDTH, LINE = 280, 18
"""Pixels: width of a marginal, and height of a line of it."""
LABEL, SCALE = 110, 260
"""Pixels: width of a level's label, and of the scale of intervals."""
NAME = 48
"""Characters of an interval's name; longer ones lack their middle."""
LEVELS, BINS = 8, 12
"""Levels that are named, the most frequent first; bins of a number's histogram."""
FIGURE = '<figure style="display:inline-block;margin:0 1em 1em 0;vertical-align:top">'
CAPTION = '<figcaption style="font-weight:600">'


def marginals(table: Any, names: Sequence[str]) -> str:
    """Return a picture per column of a `pyarrow.Table`: shares of levels, or a histogram."""
    return "".join(_marginal(name, table.column(name)) for name in names)


def _marginal(name: str, cells: Any) -> str:
    import pyarrow as pa

    if pa.types.is_nested(cells.type):
        return ""  # lists and structures cannot be counted
    number = pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type)
    many = number and len(cells.unique()) > LEVELS
    picture = _histogram(cells) if many else _shares(cells)
    return f"{FIGURE}{CAPTION}{escape(name)}</figcaption>{picture}</figure>" if picture else ""


def _shares(cells: Any) -> str:
    """Return bars of the most frequent levels; the rest is one bar, and so are missing cells.

    Columns of which no value repeats (identifiers, texts) have no picture.
    """
    import pyarrow.compute as pc

    counted = sorted(pc.value_counts(cells).to_pylist(), key=lambda one: -one["counts"])
    if not counted or counted[0]["counts"] == 1:
        return ""
    named = [(str(one["values"]), one["counts"]) for one in counted if one["values"] is not None]
    bars = named[:LEVELS]
    if rest := sum(count for _, count in named[LEVELS:]):
        bars.append((f"others ({len(named) - LEVELS})", rest))
    if cells.null_count:
        bars.append(("missing", cells.null_count))
    return _svg(len(bars) * LINE, _bars(bars, len(cells)))


def _bars(bars: list[tuple[str, int]], total: int) -> Iterator[str]:
    widest = WIDTH - LABEL - 40
    for at, (label, count) in enumerate(bars):
        width, top = widest * count / total, at * LINE
        short = label if len(label) <= 16 else f"{label[:15]}…"
        yield f'<text x="{LABEL - 6}" y="{top + 13}" text-anchor="end">{escape(short)}</text>'
        yield (
            f'<rect x="{LABEL}" y="{top + 3}" width="{width:.1f}" height="{LINE - 6}"'
            f' opacity=".55"><title>{escape(label)}</title></rect>'
        )
        yield f'<text x="{LABEL + width + 4:.1f}" y="{top + 13}">{100 * count / total:.0f} %</text>'


def _histogram(cells: Any) -> str:
    """Return a histogram of equal bins from the lowest to the highest value."""
    import pyarrow.compute as pc

    known = pc.drop_null(cells).cast("float64", safe=False)  # rounds whole numbers above 2^53
    known = known.filter(pc.is_finite(known))
    if not len(known):
        return ""
    ends = pc.min_max(known)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    wide = (high - low) or 1.0
    bins = pc.min_element_wise(pc.floor(pc.divide(pc.subtract(known, low), wide / BINS)), BINS - 1)
    counts = {int(one["values"]): one["counts"] for one in pc.value_counts(bins).to_pylist()}
    return _svg(4 * LINE, [*_columns(counts), *_ends(low, high)])


def _columns(counts: dict[int, int]) -> Iterator[str]:
    height, width = 3 * LINE, WIDTH / BINS
    for at, count in counts.items():
        tall = height * count / max(counts.values())
        yield (
            f'<rect x="{at * width + 1:.1f}" y="{height - tall:.1f}" width="{width - 2:.1f}"'
            f' height="{tall:.1f}" opacity=".55"/>'
        )


def _ends(low: float, high: float) -> Iterator[str]:
    yield f'<text x="0" y="{4 * LINE - 5}">{low:.4g}</text>'
    yield f'<text x="{WIDTH}" y="{4 * LINE - 5}" text-anchor="end">{high:.4g}</text>'


Drawn = tuple[str, float | None, float, float, tuple[float, float] | None]
"""Name, estimate (None: the interval has no center), ends, and ends of an interval within."""


def intervals(rows: Sequence[Drawn]) -> str:
    """Return a figure of `interval_lines`."""
    return f"{FIGURE}{interval_lines(rows)}</figure>"


def interval_lines(rows: Sequence[Drawn]) -> str:
    """Return an SVG with a line per interval, and a mark at no effect.

    The interval within is thick.
    """
    low, high = min(0.0, *(row[2] for row in rows)), max(0.0, *(row[3] for row in rows))
    wide = (high - low) or 1.0
    left = 16 + 6.5 * min(NAME, max(len(name) for name, *_ in rows))

    def place(value: float) -> float:
        return left + SCALE * (value - low) / wide

    zero, bottom = place(0.0), len(rows) * LINE
    lines = [f'<path d="M{zero:.1f} 0V{bottom}" stroke="currentColor" stroke-dasharray="2 3"/>']
    for at, (name, center, first, last, within) in enumerate(rows):
        middle = at * LINE + LINE / 2
        short = name if len(name) <= NAME else f"{name[: NAME // 2]}…{name[1 - NAME // 2 :]}"
        lines.append(
            f'<text x="{left - 10}" y="{middle + 4}" text-anchor="end">{escape(short)}'
            f"<title>{escape(name)}</title></text>"
            f'<path d="M{place(first):.1f} {middle}H{place(last):.1f}" stroke="currentColor"'
            ' stroke-width="2" stroke-linecap="round">'
            f"<title>{first:.4g} to {last:.4g}</title></path>"
        )
        if within is not None:
            lines.append(
                f'<path d="M{place(within[0]):.1f} {middle}H{place(within[1]):.1f}"'
                ' stroke="currentColor" stroke-width="6" opacity=".4"/>'
            )
        if center is not None:
            lines.append(f'<circle cx="{place(center):.1f}" cy="{middle}" r="4"/>')
    return _svg(bottom + LINE, [*lines, _zero(zero, bottom)], left + SCALE + 30)


def _zero(place: float, top: int) -> str:
    return f'<text x="{place:.1f}" y="{top + 13}" text-anchor="middle">no effect</text>'


def _svg(height: float, parts: Iterable[str], width: float = WIDTH) -> str:
    return (
        f'<svg role="img" width="{width}" height="{height}" fill="currentColor"'
        f' style="font:11px sans-serif;overflow:visible">{"".join(parts)}</svg>'
    )

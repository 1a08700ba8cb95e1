"""Pictures of the report as inline SVG: shares, distributions, associations, lines of waves."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from typing import Any

from markupsafe import Markup

WIDTH = 340
LABEL, NUMBERS, ROW = 126, 72, 20
"""Width of the names of levels and of their shares; height of a level."""
HEIGHT, AXIS = 90, 18
SHOWN_NAME = 20
CELL = 14.0
STEPS = (0.05, 0.1, 0.2, 0.35, 0.5)
"""Associations from which a square has the next color."""
CHANGES = (0.05, 0.1, 0.2)
CROWDS = (0.0005, 0.005, 0.05)
"""Shares of all pairs from which a square has the next color."""
GRID = 20
Matrix = Sequence[Sequence[float]]
HEIGHT, AXIS, LEFT, RIGHT = 90, 18, 34, 8
LEAST_SPAN = 0.1
"""Of the vertical axis: smaller changes look small."""


def draw_column(column: Mapping[str, Any]) -> Markup:
    """Return the shares of a column's answers, an entry of `marginals`; empty without any."""
    if column["kind"] == "levels":
        return _levels(column) if column["cells"] else Markup("")
    if not column["edges"]:
        return Markup("")
    ends = [_end(edge, column["kind"]) for edge in column["edges"]]
    if column.get("whole"):  # the last bin ends before the next whole number
        ends[-1] = _end(column["edges"][-1] - 1, column["kind"])
    label = f"Distribution of {column['column']}"
    return draw_distribution(column["edges"], column["real"], column["generated"], ends, label)


def draw_distances(distances: Mapping[str, Any], filled: str, label: str) -> Markup:
    """Return two histograms: `filled`, and distances of generated rows to the nearest training row.

    Args:
        distances: of the report's privacy.
        filled: holdout: of unseen real rows to training rows; unseen: of generated to unseen rows.
        label: what a screen reader says.
    """
    edges = distances["edges"]
    ends = [f"{edge:.2g}" for edge in edges[:-1]] + [f"{edges[-1]:.2g} and more"]
    return draw_distribution(edges, distances[filled], distances["synthetic"], ends, label)


def draw_distribution(
    edges: Sequence[float],
    real: Sequence[float],
    generated: Sequence[float],
    ends: Sequence[str],
    label: str,
) -> Markup:
    """Return two histograms over each other: real filled, generated as a line.

    edges: ends of the bins, ascending, one more than the bins; heights are shares by width; ends:
    the edges in words; label: what a screen reader says.
    """
    most = max(abs(edges[0]), abs(edges[-1]))  # the difference of huge numbers is infinite
    scaled = [edge / most for edge in edges]
    spots = [WIDTH * (edge - scaled[0]) / (scaled[-1] - scaled[0]) for edge in scaled]
    widths = [after - before for before, after in pairwise(spots)]
    heights = [
        [share / width for share, width in zip(shares, widths, strict=True)]
        for shares in (real, generated)
    ]
    top = max(*heights[0], *heights[1], 1e-12)
    outlines = [
        "".join(
            f"V{HEIGHT - (HEIGHT - 4) * high / top:.1f}H{spot:.1f}"
            for high, spot in zip(of, spots[1:], strict=True)
        )
        for of in heights
    ]
    body = Markup('<path class="real" d="M0 {h}{}V{h}z"/><path class="line" d="M0 {h}{}V{h}"/>')
    middle = len(ends) // 2
    marks = [(0.0, "start", 0)]
    marks += [(spots[middle], "middle", middle)] if 70 < spots[middle] < WIDTH - 70 else []
    marks += [(float(WIDTH), "end", len(ends) - 1)]
    text = Markup('<text x="{:.0f}" y="{}" text-anchor="{}">{}</text>')
    axis = Markup("").join(text.format(x, HEIGHT + 14, at, ends[i]) for x, at, i in marks)
    return _picture(label, HEIGHT + AXIS, body.format(*outlines, h=HEIGHT) + axis)


def draw_matrix(columns: Sequence[str], matrix: Matrix, label: str) -> Markup:
    """Return the associations of columns as squares, darker if stronger."""
    colors = [[_step(value, STEPS, "a") for value in row] for row in matrix]
    return _matrix(columns, colors, label)


def draw_difference(columns: Sequence[str], real: Matrix, generated: Matrix, label: str) -> Markup:
    """Return where generated rows have weaker (l) or stronger (m) associations than real ones."""
    colors = [
        [
            _step(before - after, CHANGES, "l") or _step(after - before, CHANGES, "m")
            for before, after in zip(*rows, strict=True)
        ]
        for rows in zip(real, generated, strict=True)
    ]
    return _matrix(columns, colors, label)


def draw_pairs(squares: Sequence[Sequence[int]], pairs: int, label: str) -> Markup:
    """Return all pairs: real association to the right, generated upwards, darker for more pairs."""
    side = (WIDTH - 60) / GRID
    paths: dict[str, str] = {}
    for x, y, count in squares:
        color = _step(count / pairs, CROWDS, "q") or "q0"
        spot = (
            f"M{50 + x * side:.1f} {(GRID - 1 - y) * side:.1f}h{side:.1f}v{side:.1f}h-{side:.1f}z"
        )
        paths[color] = paths.get(color, "") + spot
    end = GRID * side
    frame = Markup('<path class="frame" d="M50 0V{0:.0f}H{1:.0f}M50 {0:.0f}L{1:.0f} 0"/>')
    words = Markup(
        '<text x="{0:.0f}" y="{1:.0f}" text-anchor="end">real: 1</text><text x="50" y="{1:.0f}">0'
        '</text><text x="44" y="12" text-anchor="end">1</text>'
        '<text x="44" y="28" text-anchor="end">gener-</text>'
        '<text x="44" y="42" text-anchor="end">ated</text>'
    )
    body = _paths(paths) + frame.format(end, 50 + end) + words.format(50 + end, end + 15)
    return _picture(label, end + 20, body)


def _levels(column: Mapping[str, Any]) -> Markup:
    names = [*column["cells"]]
    if column["others"]:
        count = column["others"]
        names.append("1 other" if count == 1 else f"{count} others")
    real, drawn = column["real"], column["generated"]
    top = max(*real, *drawn, 1e-12)
    room = WIDTH - LABEL - NUMBERS - 6
    bars = [
        "".join(
            f"M{LABEL} {at * ROW + down}h{room * share / top:.1f}v6H{LABEL}z"
            for at, share in enumerate(shares)
        )
        for shares, down in ((real, 3), (drawn, 10))
    ]
    text = Markup('<text y="{y}">{}</text><text x="{x}" y="{y}" text-anchor="end">{}</text>')
    texts = Markup("").join(
        text.format(short(name), f"{_percent(a)} · {_percent(b)} %", x=WIDTH, y=at * ROW + 14)
        for at, (name, a, b) in enumerate(zip(names, real, drawn, strict=True))
    )
    body = Markup('<path class="real" d="{}"/><path class="made" d="{}"/>').format(*bars)
    return _picture(f"Shares of {column['column']}", ROW * len(names), body + texts)


def _matrix(columns: Sequence[str], colors: Sequence[Sequence[str]], label: str) -> Markup:
    side = min((WIDTH - LABEL) / len(columns), 1.5 * CELL)
    paths: dict[str, str] = {}
    for at, row in enumerate(colors):
        for to, color in enumerate(row):
            spot = f"M{LABEL + to * side:.1f} {at * side:.1f}h{side:.1f}v{side:.1f}h-{side:.1f}z"
            paths[color] = paths.get(color, "") + (spot if color else "")
    size = side * len(columns)
    frame = Markup('<path class="frame" d="M{0} 0h{1:.1f}v{1:.1f}h-{1:.1f}z"/>').format(LABEL, size)
    text = Markup('<text class="{}" x="{}" y="{:.1f}" text-anchor="end">{}</text>')
    small = "small" if side < CELL else "name"
    names = Markup("").join(
        text.format(small, LABEL - 6, (at + 0.5) * side + 3.5, short(name))
        for at, name in enumerate(columns)
    )
    return _picture(label, size + 2, _paths(paths) + frame + names)


def _paths(paths: Mapping[str, str]) -> Markup:
    path = Markup('<path class="{}" d="{}"/>')
    return Markup("").join(path.format(color, d) for color, d in sorted(paths.items()) if color)


def _picture(label: str, height: float, body: Markup) -> Markup:
    svg = Markup('<svg class="chart" role="img" aria-label="{}" viewBox="0 0 {} {:.0f}">{}</svg>')
    return svg.format(label, WIDTH, height, body)


def _step(value: float, steps: Sequence[float], color: str) -> str:
    """Return the class of the highest step that a value reaches, or nothing below the first."""
    reached = sum(value >= step for step in steps)
    return f"{color}{reached}" if reached else ""


def short(name: str) -> str:
    """Return a name that fits beside a picture."""
    return name if len(name) <= SHOWN_NAME else name[: SHOWN_NAME - 1] + "…"


def _percent(share: float) -> str:
    """Return a share in percent with two digits, without the sign."""
    percent = 100 * share
    return f"{percent:.0f}" if percent >= 9.95 or percent == 0 else f"{percent:.1f}"


def _end(edge: float, kind: str) -> str:
    if kind != "dates":
        return f"{edge:,.6g}" if abs(edge) >= 10_000 else f"{edge:.6g}"
    try:
        return datetime.fromtimestamp(edge / 1e6, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):  # outside the years 1 to 9999
        return f"{edge / 1e6:.6g} s"


def draw_lines(answer: Mapping[str, Any], waves: Sequence[str]) -> Markup:
    """Return the shares of an answer by wave with their 95 % intervals, gaps where few persons are.

    answer: an entry of the report's `waves`; waves: their names, the earliest first.
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

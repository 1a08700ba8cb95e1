"""The causal graph as SVG: causes above effects, in layers (Sugiyama et al., 1981)."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

BOX_WIDTH, BOX_HEIGHT, GAP, DOWN = 150, 30, 18, 74
SWEEPS = 8
SHOWN_NAME = 20
MAX_COLUMNS = 60
"""With more columns a drawing is unreadable; the table of edges has the same content."""

DIRECTED = ("stated", "implied", "suggested")
BASES = {"directed": "suggested", "undecided": "undirected", "weak": "weak"}
"""Basis of an edge by its state, in graphs that say nothing of the basis."""

Edge = Mapping[str, Any]


def basis_of(edge: Edge) -> str:
    """Return what the direction of an edge rests on."""
    known = edge.get("basis")
    if known in (*DIRECTED, "undirected", "weak"):
        return str(known)
    return BASES.get(str(edge["state"]), "weak")


def draw_graph(order: Sequence[str], edges: Sequence[Edge]) -> Markup:
    """Return the graph as SVG with CSS classes; empty without edges or with too many columns.

    order: all columns, causes before effects; edges: with source, target, strength 0..1 (stroke
    width) and basis (CSS class), or the state of a graph that has no basis.
    """
    linked = {edge[end] for edge in edges for end in ("source", "target")}
    names = [name for name in order if name in linked]
    if not 0 < len(names) <= MAX_COLUMNS:
        return Markup("")
    rows = _layers(names, edges)
    _order(rows, edges)
    spots = {
        name: (_place(at, len(row)), level * DOWN)
        for level, row in enumerate(rows)
        for at, name in enumerate(row)
    }
    half = max(abs(x) for x, _ in spots.values()) + BOX_WIDTH / 2 + 2
    height = (len(rows) - 1) * DOWN + BOX_HEIGHT + 4
    parts = [_line(edge, spots) for edge in edges]
    parts += [_box(name, x, y) for name, (x, y) in spots.items()]
    return Markup(
        '<svg class="drawing" role="img" aria-label="Causal graph" '
        'viewBox="{left:.0f} -2 {width:.0f} {height}" width="{width:.0f}">{body}</svg>'
    ).format(left=-half, width=2 * half, height=height, body=Markup("").join(parts))


def _layers(names: Sequence[str], edges: Sequence[Edge]) -> list[list[str]]:
    """Return layers of columns, each one below its lowest earlier neighbor."""
    rank = {name: at for at, name in enumerate(names)}
    level = dict.fromkeys(names, 0)
    for name in names:
        ends = [
            {edge["source"], edge["target"]} - {name}
            for edge in edges
            if name in (edge["source"], edge["target"])
        ]
        above = [level[other] for pair in ends for other in pair if rank[other] < rank[name]]
        level[name] = max(above, default=-1) + 1
    return [[name for name in names if level[name] == at] for at in range(max(level.values()) + 1)]


def _order(rows: list[list[str]], edges: Sequence[Edge]) -> None:
    """Sort each layer by its neighbors' mean position, down and up, to reduce crossings."""
    near: dict[str, list[str]] = {name: [] for row in rows for name in row}
    for edge in edges:
        near[edge["source"]].append(edge["target"])
        near[edge["target"]].append(edge["source"])
    for sweep in range(SWEEPS):
        place = {name: _place(at, len(row)) for row in rows for at, name in enumerate(row)}
        for row in rows if sweep % 2 == 0 else reversed(rows):
            row.sort(key=lambda name: sum(place[other] for other in near[name]) / len(near[name]))
            place |= {name: _place(at, len(row)) for at, name in enumerate(row)}


def _place(at: int, count: int) -> float:
    return (at - (count - 1) / 2) * (BOX_WIDTH + GAP)


def _line(edge: Edge, spots: Mapping[str, tuple[float, float]]) -> Markup:
    (x, y), (to_x, to_y) = spots[edge["source"]], spots[edge["target"]]
    down = to_y > y
    y, to_y = (y + BOX_HEIGHT, to_y) if down else (y, to_y + BOX_HEIGHT)
    bend, tip = (to_y - y) / 2, 6 if down else -6
    basis = basis_of(edge)
    width = 1 + 2 * float(edge["strength"])
    line = f"M{x:.0f} {y:.0f}C{x:.0f} {y + bend:.0f} {to_x:.0f} {to_y - bend:.0f}"
    line += f" {to_x:.0f} {to_y:.0f}"
    path = Markup('<path class="edge {}" stroke-width="{:.1f}" d="{}"/>').format(basis, width, line)
    if basis not in DIRECTED:
        return path
    head = Markup('<path class="head" d="M{:.0f} {:.0f}l-4 {}h8z"/>')
    return path + head.format(to_x, to_y, -tip)


def _box(name: str, x: float, y: float) -> Markup:
    shown = name if len(name) <= SHOWN_NAME else name[: SHOWN_NAME - 1] + "…"
    box = Markup('<rect class="box" x="{:.0f}" y="{:.0f}" width="{}" height="{}" rx="6"/>')
    text = Markup('<text x="{:.0f}" y="{:.0f}">{}</text>')
    frame = box.format(x - BOX_WIDTH / 2, y, BOX_WIDTH, BOX_HEIGHT)
    return frame + text.format(x, y + BOX_HEIGHT / 2 + 4.5, shown)

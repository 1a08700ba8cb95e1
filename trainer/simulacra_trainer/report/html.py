"""The report as one HTML file, from `templates/report.html.j2`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from simulacra_trainer.report.drawing import DIRECTED, basis_of, draw_graph
from simulacra_trainer.report.neighbors import BAR, is_within_bar

BASES = {
    "stated": "you said so",
    "implied": "one is computed from the other",
    "suggested": "suggested by the data alone",
    "undirected": "direction open",
    "weak": "weak: found in few resamples",
}


def render_html(report: Mapping[str, Any]) -> str:
    """Return the report of a model or of one generation as a self-contained HTML document."""
    graph = report["graph"] or {}
    columns = (report["fidelity"] or {"columns": []})["columns"]
    edges = sorted(graph.get("edges", []), key=lambda edge: -float(edge["strength"]))
    derived = {
        "fidelity_columns": sorted(columns, key=lambda one: one["floor"] - one["error"]),
        "fidelity_top": max((max(one["error"], one["floor"]) for one in columns), default=0) or 1,
        "edges": edges,
        "dependent_pairs": sorted((report.get("worth") or {}).get("pairs", []), key=_by_loss),
        "drawing": draw_graph(graph.get("order", []), edges),
    }
    absent = dict.fromkeys(("asked", "linked", "persons", "singling_out", "worth", "verdicts"))
    known = {"cleaning": [], "relations": [], **absent, **report, **derived}
    if known["asked"] is not None:  # reports of earlier versions have no persons
        known["asked"] = {"persons": None, **known["asked"]}
    return _template().render(known)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("simulacra_trainer.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = format
    environment.globals.update(
        BAR=BAR,
        BAR_WIDTH=240,
        SHOWN_COLUMNS=60,
        SHOWN_EDGES=200,
        SHOWN_PAIRS=15,
        BASES=BASES,
        DIRECTED=DIRECTED,
        basis_of=basis_of,
        condition_text=_condition_text,
        is_within_bar=is_within_bar,
    )
    return environment.get_template("report.html.j2")


def _by_loss(pair: Mapping[str, Any]) -> int:
    return ("lost", "weakened", "kept").index(pair["kept"])


def _condition_text(condition: Mapping[str, Any]) -> str:
    if condition.get("level") is not None:
        return f"share of {condition['level']}"
    low, high = condition.get("minimum"), condition.get("maximum")
    if low is not None and low == high:
        return f"= {low:.12g}"
    ends = (("at least", low), ("at most", high))
    texts = (f"{words} {end:.12g}" for words, end in ends if end is not None)
    return " and ".join(texts) or "present"

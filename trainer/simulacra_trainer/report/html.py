"""The report as one HTML file, from `templates/report.html.j2`."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

from simulacra_schema.privacy_verdict import MEMBERSHIP_PEOPLE
from simulacra_schema.quotas import CellPart
from simulacra_schema.verdicts import KEPT_FAIR, KEPT_GOOD
from simulacra_trainer.report.attackers.neighbors import BAR, is_within_bar
from simulacra_trainer.report.charts import (
    draw_column,
    draw_difference,
    draw_distances,
    draw_lines,
    draw_matrix,
    draw_pairs,
)
from simulacra_trainer.report.drawing import DIRECTED, basis_of, draw_graph

BASES = {
    "stated": "you said so",
    "implied": "one is computed from the other",
    "suggested": "suggested by the data alone",
    "undirected": "direction open",
    "weak": "weak: found in few resamples",
}
USES = {
    "learned": "learned from the table",
    "computed": "computed from other columns",
    "invented": "invented, never real",
    "constant": "the same in every row",
    "weight": "survey weights, not generated",
    "cluster": "sampling points, not generated",
    "replicate_weight": "replicate weights, not generated",
    "left empty": "not learned, left empty",
}
LATER: dict[str, Any] = {
    **dict.fromkeys(("asked", "associations", "design", "identification", "left_out", "linked")),
    **dict.fromkeys(("made", "name", "persons", "singling_out", "verdicts", "waves", "worth")),
    **{part: [] for part in ("cleaning", "marginals", "read", "relations")},
}
"""Parts that reports of earlier versions, or of other kinds, do not have."""
NOTHING: Mapping[str, Any] = {"columns": []}


def render_html(report: Mapping[str, Any]) -> str:
    """Return the report of a model or of one generation as a self-contained HTML document."""
    known = {**LATER, **report}
    if known["made"] is not None:
        known["made"] = {"family": "no model", **known["made"]}
    if known["asked"] is not None:  # reports of earlier versions have no persons
        known["asked"] = {"persons": None, "reweighted": None, **known["asked"]}
    graph = known["graph"] or {}
    edges = sorted(graph.get("edges", []), key=lambda edge: -float(edge["strength"]))
    columns, left = _columns(known), known["left_out"] or NOTHING
    derived = {
        "fidelity_columns": columns,
        "fidelity_top": max((max(one["error"], one["floor"]) for one in columns), default=0) or 1,
        "charts": [one for one in columns if "chart" in one],
        "matrices": _matrices(known["associations"]),
        "edges": edges,
        "bases": [basis_of(edge) for edge in edges],
        "dependent_pairs": sorted((known["worth"] or {}).get("pairs", []), key=_by_loss),
        "left_out_columns": [one for one in left["columns"] if _tells(one)],
        "rare_words": _rare_words(left),
        "pooled": [{"public": None, **one} for one in left["columns"] if one.get("pooled")],
        "linked_pairs": sorted((known["linked"] or {}).get("pairs", []), key=_by_loss),
        "drawing": draw_graph(graph.get("order", []), edges),
        "contents": _contents(known),
    }
    return _template().render(known | derived)


def _columns(known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the compared columns, worst first, with their charts where there are shares."""
    shares = {one["column"]: one for one in known["marginals"]}
    labels = {one["column"]: one["label"] for one in known["read"]}
    compared = (known["fidelity"] or {"columns": []})["columns"]
    columns = []
    for at, one in enumerate(sorted(compared, key=lambda one: one["floor"] - one["error"])):
        found = {**one, "at": at, "label": labels.get(one["column"])}
        if (of := shares.get(one["column"])) is not None:
            found |= {"missing": of["missing"], "chart": draw_column(of)}
        columns.append(found)
    return columns


def _matrices(found: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the pictures of associations: real, generated, difference, and all pairs if many."""
    if found is None:
        return []
    names, real, drawn = found["columns"], found["real"], found["generated"]
    title = "Difference"
    words = "Orange: weaker than in your table. Blue: stronger. From 0.05, 0.1, 0.2."
    pictures = [
        {"title": "Real rows", "words": "", "drawing": draw_matrix(names, real, "Real rows")},
        {"title": "Generated rows", "words": "", "drawing": draw_matrix(names, drawn, "Generated")},
        {"title": title, "words": words, "drawing": draw_difference(names, real, drawn, title)},
    ]
    if found["compared"] > len(names):
        title = "All pairs"
        words = "Below the diagonal: weaker among generated rows. Darker: more pairs."
        picture = draw_pairs(found["squares"], found["pairs"], title)
        pictures.append({"title": title, "words": words, "drawing": picture})
    return pictures


def _contents(known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the sections that this report has, by anchor."""
    asked = known["asked"]
    places = [
        ("interventions", "Interventions", bool(asked and asked["interventions"])),
        ("conditions", "Conditions", known["conditions"] is not None),
        ("waves", "What moved", known["waves"] is not None),
        ("columns", "Columns", True),
        ("relations", "Relations", True),
        ("privacy", "Privacy", True),
        ("worth", "Worth", known["worth"] is not None),
        ("causes", "Causes", known["graph"] is not None),
        ("reading", "What was read", bool(known["read"] or known["cleaning"])),
        ("making", "Use and cite", True),
    ]
    return [(place, words) for place, words, is_there in places if is_there]


def page_environment(*packages: str) -> Environment:
    """Return the environment of templates of these packages, the first one's before the others'."""
    return Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def _template() -> Template:
    environment = page_environment("simulacra_trainer.report")
    environment.filters["number"] = format
    environment.globals.update(
        BAR=BAR,
        BAR_WIDTH=240,
        SHOWN_CHARTS=24,
        SHOWN_ROWS=24,
        SHOWN_PAIRS=12,
        MOST_PAIRS=200,
        MOST_EDGES=200,
        LITTLE_BACKING=50,
        MOST_LINES=48,
        MEMBERSHIP_PEOPLE=MEMBERSHIP_PEOPLE,
        KEPT_GOOD=KEPT_GOOD,
        KEPT_FAIR=KEPT_FAIR,
        BASES=BASES,
        DIRECTED=DIRECTED,
        USES=USES,
        basis_of=basis_of,
        condition_text=_condition_text,
        cell_text=_cell_text,
        draw_distances=draw_distances,
        draw_lines=draw_lines,
        is_within_bar=is_within_bar,
    )
    return environment.get_template("report.html.j2")


def _tells(column: Mapping[str, Any]) -> bool:
    """Return whether anything of a column is rare, replaced or left out of pictures."""
    counts = ("rare_levels", "options_left_out", "words_replaced")
    return (
        any(column[of] for of in counts)
        or bool(column.get("pooled"))
        or (column["use"] == "learned" and not column["pictured"])
    )


def _rare_words(left_out: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns whose generated rows carry words of few respondents, and their shares."""
    shares = [(one["column"], one["few_rows"]) for one in left_out["columns"] if one["few_rows"]]
    return {"columns": shares, "rows": left_out.get("few_rows", 0.0)}


def _by_loss(pair: Mapping[str, Any]) -> int:
    return ("lost", "weakened", "not measured", "kept").index(pair["kept"])


def _cell_text(where: Mapping[str, Any]) -> str:
    return " and ".join(f"{name} {CellPart(**part).words()}" for name, part in where.items())


def _condition_text(condition: Mapping[str, Any]) -> str:
    if condition.get("level") is not None:
        return f"share of {condition['level']}"
    first, last = condition.get("earliest"), condition.get("latest")
    if first or last:
        days = (("from", first), ("to", last))
        return " ".join(f"{words} {day}" for words, day in days if day)
    low, high = condition.get("minimum"), condition.get("maximum")
    if low is not None and low == high:
        return f"= {low:.12g}"
    ends = (("at least", low), ("at most", high))
    texts = (f"{words} {end:.12g}" for words, end in ends if end is not None)
    return " and ".join(texts) or "present"

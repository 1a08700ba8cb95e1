"""The report as one HTML file: no script, no external resource, light and dark, fit to print.

Every name, level and other text of the report is escaped; the markup is well-formed XML as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from simulacra_trainer.report.drawing import draw_graph
from simulacra_trainer.report.neighbors import BAR, is_held
from simulacra_trainer.report.style import CSS

SHOWN_COLUMNS = 60
SHOWN_PAIRS = 15
SHOWN_EDGES = 200
BAR_WIDTH = 240
STATES = {
    "directed": "directed",
    "undecided": "direction undecided by the data",
    "weak": "weak: seen in few resamples",
}


def render_html(report: Mapping[str, Any]) -> str:
    """Return the report of `build_report`, or of one generation, as a self-contained HTML document."""
    asked = report.get("asked")
    changed = report["conditions"] is not None or bool(asked and asked["interventions"])
    title = "Quality report" if asked is None else "Report of a generation"
    wanted = [*_interventions(asked), *_conditions(report["conditions"])]
    judged = [*_fidelity(report["fidelity"], changed), *_privacy(report["privacy"])]
    parts = [
        f"<h1>{title}</h1>",
        _opening(report, asked),
        *_weights(report["weights"]),
        *_guarantee(report["differential_privacy"]),
        *(judged + wanted if asked is None else wanted + judged),
        *_graph(report["graph"]),
        *_cleaning(report.get("cleaning", [])),
        *_timings(report["timings"]),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{title}</title><style>{CSS}</style></head>\n<body><main>\n"
        + "\n".join(parts)
        + "\n"
        "</main></body></html>\n"
    )


def _weights(found: Mapping[str, float] | None) -> list[str]:
    if found is None:
        return []
    return [
        f"<p>The table has survey weights: generated rows stand for the weighted population, and real rows count by "
        f"weight below. Its {found['rows']:,.0f} rows are worth <b>{found['effective_rows']:,.0f}</b> of equal weight "
        f"(Kish); the largest weight is {found['largest']:.1f} times the mean.</p>"
    ]


def _guarantee(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    return [
        f"<p>The model is differentially private with <b>epsilon {found['epsilon']:g}</b> and delta {found['delta']:g} "
        f"({escape(found['neighbours'])}). Covered: {escape(found['covers'])}. Not covered: "
        f"{escape(found['not_covered'])}: keep the report to yourself.</p>"
    ]


def _opening(report: Mapping[str, Any], asked: Mapping[str, Any] | None) -> str:
    rows = report["rows"]
    if asked is None:
        judged = (
            f", judged against {rows['holdout']:,} rows that the model has not seen"
            if rows["holdout"]
            else ""
        )
        what = f"{rows['synthetic']:,} synthetic rows, {report['columns']} columns; learned from {rows['train']:,} rows"
        return f"<p>{what}{judged}.</p>"
    part = (
        ""
        if asked["compared"] == asked["rows"]
        else f" {asked['compared']:,} of them, drawn at random, are judged."
    )
    what = f"{asked['rows']:,} rows of {report['columns']} columns, generated with seed {asked['seed']} by a model"
    return f"<p>{what} of {rows['train']:,} real rows.{part}</p>"


def _interventions(asked: Mapping[str, Any] | None) -> list[str]:
    if asked is None or not asked["interventions"]:
        return []
    body = [
        [escape(name), escape(f"{value:.12g}" if isinstance(value, float) else str(value))]
        for name, value in asked["interventions"].items()
    ]
    what = "Every row has the value that was set; what depends on the column follows, what causes it does not."
    if asked["counterfactual"]:
        what = (
            "Rows come in pairs: one as the model draws it, and its twin as it would have been with the value that was "
            "set. The figures below are those of the rows without the change."
        )
    return [
        "<h2>Interventions</h2>",
        f"<p>{what}</p>",
        *_table("do(column = value)", ["column", "value"], body),
    ]


def _fidelity(found: Mapping[str, Any] | None, conditioned: bool) -> list[str]:
    parts = ["<h2>Fidelity</h2>"]
    if found is None:
        return [*parts, "<p>There are too few rows or columns to compare.</p>"]
    one, two = found["univariate"], found["bivariate"]
    floor = (
        "The floor is the same distance for as many real training rows: what sampling alone costs."
    )
    parts.append(
        f"<p>Distance from the {escape(found['against'])} (total variation, 0 to 100 %): single columns "
        f"<b>{one['error']:.2f} %</b> (floor {one['floor']:.2f} %), pairs of columns <b>{two['error']:.2f} %</b> "
        f"(floor {two['floor']:.2f} %, {two['pairs']} pairs). {floor}</p>"
    )
    if found.get("c2st_auc") is not None:
        parts.append(
            f"<p>A classifier of boosted trees tells synthetic from unseen real rows with an AUC of "
            f"<b>{found['c2st_auc']:.3f}</b> (0.5: it cannot; 1: always).</p>"
        )
    if conditioned:
        parts.append(
            "<p>Columns that conditions or interventions name are left out; what depends on them may have moved with "
            "them, which is what was asked for.</p>"
        )
    columns = sorted(found["columns"], key=lambda c: c["floor"] - c["error"])
    top = max((max(c["error"], c["floor"]) for c in columns), default=0.0) or 1.0
    body = [
        [
            escape(c["column"]),
            _bar(c["error"], c["floor"], top),
            f"{c['error']:.2f}",
            f"{c['floor']:.2f}",
        ]
        for c in columns[:SHOWN_COLUMNS]
    ]
    parts += _table(
        "By column, farthest above the floor first",
        ["column", "error | floor", "error %", "floor %"],
        body,
    )
    parts += _more(len(columns) - SHOWN_COLUMNS, "columns")
    pairs = [
        [escape(" × ".join(p["columns"])), f"{p['error']:.2f}", f"{p['floor']:.2f}"]
        for p in found["worst_pairs"][:SHOWN_PAIRS]
    ]
    return parts + _table("Pairs farthest above the floor", ["pair", "error %", "floor %"], pairs)


def _bar(error: float, floor: float, top: float) -> str:
    width, mark = BAR_WIDTH * error / top, BAR_WIDTH * floor / top
    return (
        f'<svg role="img" width="{BAR_WIDTH + 2}" height="14" aria-label="error {error:.2f} %, floor {floor:.2f} %">'
        f'<rect class="bar" x="0" y="2" width="{width:.1f}" height="10"/>'
        f'<line class="floor" x1="{mark:.1f}" x2="{mark:.1f}" y1="0" y2="14"/></svg>'
    )


def _privacy(found: Mapping[str, Any] | None) -> list[str]:
    parts = ["<h2>Privacy</h2>"]
    if found is None:
        return [
            *parts,
            "<p>No unseen real rows were kept aside, so copying cannot be judged against a base rate.</p>",
        ]
    if "of_model" not in found:
        return [*parts, "<ul>", *_of_model(found), "</ul>"]
    copies = (
        f"{100 * found['exact_copies']:.2f} % of these rows equal a row that the model was fit on"
    )
    parts.append(
        f"<p><b>Copies among these rows.</b> {copies}; a table of few columns and levels has such by chance.</p>"
    )
    if found["of_model"] is None:
        return [
            *parts,
            "<p>No real rows were kept aside at the fit, so there is no base rate to hold that against.</p>",
        ]
    return [
        *parts,
        "<p>Measured at the fit, with half of the real rows unseen:</p><ul>",
        *_of_model(found["of_model"]),
        "</ul>",
    ]


def _of_model(found: Mapping[str, Any]) -> list[str]:
    near, base = found["nearest"]["synthetic"], found["nearest"]["holdout"]
    verdict = (
        "no more often than" if found["exact_copies"] <= found["exact_base"] else "more often than"
    )
    return [
        f"<li><b>Copies.</b> {100 * found['exact_copies']:.2f} % of the synthetic rows equal a training row, {verdict} "
        f"real rows that the model has not seen ({100 * found['exact_base']:.2f} %).</li>",
        f"<li><b>Nearness.</b> The DCR share is {found['dcr_share']:.3f} (standard error "
        f"{found['dcr_standard_error']:.3f}), on the scale of two equal halves: at 0.5 synthetic rows lie no nearer to "
        f"training rows than to unseen ones, at 1 all are copies. {_held(found['dcr_share'])}</li>",
        f"<li><b>Distance.</b> Half of the synthetic rows lie {near['median']:.2f} or more from their nearest training "
        f"row (unseen real rows: {base['median']:.2f}); the nearest 5 % within {near['p05']:.2f} ({base['p05']:.2f}). "
        "One level that differs, or one standard deviation, is 1.</li>",
    ]


def _held(share: float) -> str:
    if is_held(share):
        return f"The privacy bar of {BAR} is held."
    return (
        f"<b>The privacy bar of {BAR} is not held:</b> rows like the training rows are somewhat more likely than "
        "others. Publish these rows with care; more rows or fewer columns would help."
    )


def _conditions(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    body = [
        [escape(c["column"]), escape(_asked(c)), f"{100 * c['asked']:.3f}", f"{100 * c['attained']:.3f}",
         "yes" if c["met"] else '<span class="no">no</span>']
        for c in found["conditions"]
    ]  # fmt: skip
    backing = found.get("backing")
    return [
        "<h2>Conditions</h2>",
        "<p>"
        + (
            "All conditions are met to the row."
            if found["status"] == "exact"
            else "Some conditions could not be met."
        )
        + f" The rows lie {found['kl_nats']:.3f} nats a row from the learned distribution (KL)"
        + (
            f" and rest on an effective number of {backing:,.0f} real rows"
            if backing is not None
            else ""
        )
        + ".</p>",
        *_table(
            "Asked and attained", ["column", "condition", "asked %", "attained %", "met"], body
        ),
    ]


def _asked(condition: Mapping[str, Any]) -> str:
    if condition.get("level") is not None:
        return f"share of {condition['level']}"
    low, high = condition.get("minimum"), condition.get("maximum")
    if low is not None and low == high:
        return f"= {low:.12g}"
    ends = (("at least", low), ("at most", high))
    return (
        " and ".join(f"{words} {end:.12g}" for words, end in ends if end is not None) or "present"
    )


def _graph(graph: Mapping[str, Any] | None) -> list[str]:
    if graph is None:
        return []
    edges = sorted(graph.get("edges", []), key=lambda e: -float(e["strength"]))
    body = [
        [escape(e["source"]), "→" if e["state"] == "directed" else "—", escape(e["target"]),
         f"{float(e['strength']):.2f}", escape(STATES.get(e["state"], str(e["state"])))]
        for e in edges[:SHOWN_EDGES]
    ]  # fmt: skip
    return [
        "<h2>Causal graph</h2>",
        "<p>Learned from the data and from what was stated as known. Strength is between 0 and 1. "
        "Where the data cannot decide a direction, none is claimed.</p>",
        draw_graph(graph.get("order", []), edges),
        "<p>Solid: from cause to effect. Dashed, without a head: left open by the data. Thin and gray: weak.</p>",
        *_table("Edges", ["from", "", "to", "strength", "state"], body),
        *_more(len(edges) - SHOWN_EDGES, "edges"),
    ]


def _cleaning(notes: list[Mapping[str, Any]]) -> list[str]:
    if not notes:
        return []
    body = [
        [
            escape(note["column"] or "the table"),
            escape(note["action"]),
            f"{note['count']:,}" if note["count"] else "",
        ]
        for note in notes[:SHOWN_COLUMNS]
    ]
    return [
        "<h2>What was cleaned</h2>",
        *_table("Before the fit", ["column", "what", "values"], body),
        *_more(len(notes) - SHOWN_COLUMNS, "notes"),
    ]


def _timings(timings: Mapping[str, float]) -> list[str]:
    if not timings:
        return []
    body = [[escape(step), f"{seconds:.2f}"] for step, seconds in timings.items()]
    return ["<h2>Timings</h2>", *_table("Seconds", ["step", "s"], body)]


def _table(caption: str, heads: Iterable[str], body: list[list[str]]) -> list[str]:
    """Return a table; the cells of the body are markup already."""
    if not body:
        return []
    head = "".join(f"<th>{h}</th>" for h in heads)
    lines = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in body]
    return [
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>",
        *lines,
        "</tbody></table>",
    ]


def _more(count: int, what: str) -> list[str]:
    return [f"<p>{count:,} more {what} are in report.json.</p>"] if count > 0 else []

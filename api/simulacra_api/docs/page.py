"""Pages for people: the documentation and the error catalog. One file each, no script, nothing from another host."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from typing import Any

from simulacra_api.docs.operations import INTRODUCTION, RULES, STEPS, Operation, operations

CSS = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--accent:#2563eb}
@media (prefers-color-scheme:dark){:root{--accent:#7aa2ff}}
body{font:16px/1.55 system-ui,sans-serif;max-width:66rem;margin:0 auto;padding:2rem 1.2rem 6rem}
h1{font-size:1.8rem}h2{margin-top:3rem;border-bottom:1px solid var(--line);padding-bottom:.3rem}
h3{margin:2.4rem 0 .3rem;font-size:1.05rem}a{color:var(--accent)}
code,pre{font:13px/1.5 ui-monospace,monospace}
pre{background:var(--soft);padding:.8rem;overflow-x:auto;border-radius:6px}
table{border-collapse:collapse;width:100%;margin:.6rem 0}td,th{text-align:left;vertical-align:top;padding:.3rem .8rem
.3rem 0;border-bottom:1px solid var(--line)}.m{display:inline-block;min-width:4.2rem;font-weight:700}
nav ul{columns:2;list-style:none;padding:0}nav li{break-inside:avoid}.q{opacity:.7}summary{cursor:pointer}
"""


def page(title: str, body: Iterable[str]) -> str:
    """Return an HTML document around a body that is escaped already."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of plain text."""

    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{row(head, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"


def documentation(document: dict[str, Any]) -> str:
    """Return the documentation of all operations."""
    found = list(operations(document))
    groups = [(tag, list(members)) for tag, members in groupby(found, key=lambda one: one.tag)]
    body = [f"<p>{escape(INTRODUCTION)}</p>", "<h2>The steps</h2>", "<ol>"]
    body += [
        f'<li>{_code(text)} <a href="#{operation}">{operation}</a></li>'
        for operation, text in STEPS
    ]
    body += [
        "</ol>",
        "<h2>Rules</h2>",
        "<ul>",
        *(f"<li>{_code(rule)}</li>" for rule in RULES),
        "</ul>",
    ]
    body += [
        '<p>Errors: <a href="/errors">/errors</a>. Machines: <a href="/openapi.json">/openapi.json</a>, '
    ]
    body += ['<a href="/llms.txt">/llms.txt</a>.</p>', "<nav><h2>Operations</h2><ul>"]
    body += [
        f'<li><a href="#{one.operation_id}"><code>{one.method}</code> {escape(one.summary)}</a></li>'
        for one in found
    ]
    body.append("</ul></nav>")
    for tag, members in groups:
        body.append(f"<h2>{escape(tag.capitalize())}</h2>")
        body += [_operation(one) for one in members]
    return page("Simulacra REST API", body)


def _operation(one: Operation) -> str:
    parts = [
        f'<section id="{one.operation_id}"><h3>{escape(one.summary)}</h3>',
        f'<p><code><span class="m">{one.method}</span>{escape(one.path)}</code> '
        f'<span class="q">{one.operation_id}{"" if one.needs_token else ", no token needed"}</span></p>',
        f"<p>{_code(one.description)}</p>",
    ]
    if one.parameters:
        parts.append(table(("Parameter", "In", "What"), one.parameters))
    if one.request:
        parts.append(f"<p>Request</p><pre>{escape(one.request)}</pre>")
    for status, _, example in one.answers:
        if example:
            parts.append(f"<p>Answer {status}</p><pre>{escape(example)}</pre>")
    rows = [(status, meaning) for status, meaning, _ in one.answers]
    parts.append(
        f"<details><summary>All answers</summary>{table(('Status', 'What'), rows)}</details></section>"
    )
    return "\n".join(parts)


def _code(text: str) -> str:
    """Return text as HTML, with `this` as code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces))

"""The custody map as HTML, drawn from `custody_steps`: a diagram, the details of each step, a
table, the two modes.

All of it is in the document; the script only chooses which step's details show. Without it, all
show.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from simulacra_api.pages.custody_steps import (
    BOUNDARIES,
    MODES,
    QUESTIONS,
    STEPS,
    STORES,
    Flow,
    Step,
    Store,
    StoreKey,
)
from simulacra_custody.audit.event import EventType

_SPANS: dict[StoreKey, str] = {
    "access": "c1 to2",
    "dataset": "c3 half",
    "model": "c3 half under",
    "generation": "c4 to5",
    "nothing": "c6",
}
"""Where a store's card stands: below the steps that touch it."""
_WORDS = {
    "data": "customer data",
    "request": "a request without customer data",
    "erasure": "erasure",
    "nothing": "nothing",
}


def custody_page() -> str:
    """Return the body of the page."""
    return "\n".join(
        (
            '<section class="hero"><h1>Where your data goes</h1><p class="lede">Six steps, from asking for access to '
            "the proof that everything is gone. Customer data crosses three boundaries, is kept under keys that are "
            "yours alone, and lives on a clock. Select a step to see what it does, what stays, and what is never "
            "written down.</p></section>",
            '<section class="map" aria-labelledby="map-title"><h2 id="map-title" class="unseen">The lifecycle</h2>',
            _diagram(),
            _legend(),
            '<div class="panels">',
            *(_panel(number, step) for number, step in enumerate(STEPS, 1)),
            "</div>",
            _table(),
            "</section>",
            _modes(),
            '<section class="live" aria-labelledby="live-title"><h2 id="live-title">Where your data is now</h2>'
            '<div id="live"><noscript><p>This part needs JavaScript.</p></noscript></div></section>',
        )
    )


def _list(items: Iterable[str], css: str = "", tag: str = "ul") -> str:
    return f'<{tag} class="{css}">' + "".join(f"<li>{item}</li>" for item in items) + f"</{tag}>"


def _diagram() -> str:
    numbered = list(enumerate(STEPS, 1))
    yours = (
        f'<div class="yours c{n}" aria-hidden="true">{escape(step.yours)}</div>'
        for n, step in numbered
    )
    upper = (_arrow(step.to_service, f"upper c{n}") for n, step in numbered)
    lower = (_arrow(step.to_store, f"lower c{n}") for n, step in numbered)
    tabs = (
        f'<a role="tab" id="tab-{step.key}" class="step c{n}" href="#{step.key}" aria-controls="{step.key}" '
        f'aria-selected="false" data-stores="{" ".join(step.stores)}">'
        f'<span class="number" aria-hidden="true">{n}</span>{escape(step.title)}</a>'
        for n, step in numbered
    )
    return "".join(
        (
            '<div class="diagram">',
            '<p class="lane you">Your side</p><p class="edge upper-edge"><b>Into the service</b> and back out</p>',
            '<p class="lane flight">In flight</p><p class="edge lower-edge">Into the <b>timed store</b></p>',
            '<p class="lane rest">At rest</p>',
            '<i class="line upper" aria-hidden="true"></i><i class="line lower" aria-hidden="true"></i>',
            *yours,
            *upper,
            '<div role="tablist" aria-label="Steps of the lifecycle">',
            *tabs,
            "</div>",
            *lower,
            *(_store(store) for store in STORES),
            '<p class="log"><b>Audit log</b> Every step is recorded: who, what, when and how it ended. Never your '
            "data. Append-only, each segment bound to the one before by its hash.</p></div>",
        )
    )


def _arrow(flow: Flow, css: str) -> str:
    if flow.carries == "nothing":
        return ""
    turn = " up" if flow.upward else ""
    badge = f'<span class="badge">{flow.boundary}</span>' if flow.boundary else ""
    return (
        f'<div class="arrow {css} {flow.carries}{turn}" aria-hidden="true"><svg viewBox="0 0 20 88" width="20" '
        f'height="88"><path d="M10 2V78"/><path class="head" d="M3 74 10 86 17 74Z"/></svg>{badge}</div>'
    )


def _store(store: Store) -> str:
    return (
        f'<article class="store {_SPANS[store.key]} {store.key}" data-store="{store.key}">'
        f'<h3>{escape(store.title)}</h3><p>{escape(store.holds)}</p><p class="key">{escape(store.protection)}</p>'
        f'<p class="clock">{escape(store.clock)}</p></article>'
    )


def _legend() -> str:
    samples = (
        ("data", "Customer data moves"),
        ("request", "A request, no customer data"),
        ("erasure", "Erasure"),
    )
    lines = [
        f'<li><svg class="sample {css}" viewBox="0 0 44 12" width="44" height="12" aria-hidden="true">'
        f'<path d="M1 6H34"/><path class="head" d="M32 1 43 6 32 11Z"/></svg>{text}</li>'
        for css, text in samples
    ]
    lines += [
        f'<li><span class="badge">{number}</span>{escape(text)}</li>'
        for number, text in BOUNDARIES.items()
    ]
    return f'<ul class="legend" aria-label="Legend">{"".join(lines)}</ul>'


def _events(events: Iterable[EventType]) -> str:
    return _list(
        (f"<code>{escape(event.value.removeprefix('dev.simulacra.'))}</code>" for event in events),
        "chips",
    )


def _kept(step: Step) -> str:
    lines = (f"<dt>{escape(kept.what)}</dt><dd>{escape(kept.how_long)}</dd>" for kept in step.kept)
    return f'<dl class="kept">{"".join(lines)}</dl>'


def _crossings(step: Step) -> str:
    numbers = [flow.boundary for flow in (step.to_service, step.to_store) if flow.boundary]
    if not numbers:
        return '<p class="crossing">No customer data crosses a boundary here.</p>'
    return _list(
        (f'<span class="badge">{n}</span><span>{escape(BOUNDARIES[n])}</span>' for n in numbers),
        "crossing",
    )


def _panel(number: int, step: Step) -> str:
    return (
        f'<section class="panel" id="{step.key}" role="tabpanel" aria-labelledby="tab-{step.key}" tabindex="-1">'
        f'<div class="what"><h3><span class="number">{number}</span>{escape(step.title)}</h3>'
        f'<p class="summary">{escape(step.summary)}</p>{_list(map(escape, step.does), "does", "ol")}'
        f'{_crossings(step)}<p class="call"><code>{escape(step.call)}</code></p></div>'
        f'<div class="facts"><h4>What is kept, and for how long</h4>{_kept(step)}'
        f"<h4>What is recorded</h4>{_events(step.logged)}"
        f"<h4>What is never written to a log or record</h4>{_list(map(escape, step.never), 'never')}</div></section>"
    )


def _table() -> str:
    head = "".join(
        f'<th scope="col">{text}</th>'
        for text in ("Step", "What happens", "Kept", "Recorded", "Never")
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(step.title)}</th><td>{escape(step.summary)}<br><span class="quiet">'
        f"To the service: {_WORDS[step.to_service.carries]}. To the store: {_WORDS[step.to_store.carries]}.</span></td>"
        f"<td>{_kept(step)}</td><td>{_events(step.logged)}</td><td>{_list(map(escape, step.never), 'never')}</td></tr>"
        for step in STEPS
    )
    return (
        '<details class="as-table"><summary>The same as a table</summary><div class="scroll" tabindex="0" '
        f'role="region" aria-label="The lifecycle as a table"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        "</div></details>"
    )


def _modes() -> str:
    def card(number: int) -> str:
        mode = MODES[number]
        answers = "".join(
            f"<dt>{escape(question)}</dt><dd>{escape(answer)}</dd>"
            for question, answer in zip(QUESTIONS, mode.answers, strict=True)
        )
        css = "offered" if mode.offered else "intended"
        return (
            f'<article class="mode {css}"><h3>{escape(mode.title)}</h3><p class="state">{escape(mode.status)}</p>'
            f"<dl>{answers}</dl></article>"
        )

    cards = "".join(card(number) for number in range(len(MODES)))
    return (
        '<section aria-labelledby="modes-title"><h2 id="modes-title">Whose key it is</h2>'
        f'<div class="modes">{cards}</div></section>'
    )

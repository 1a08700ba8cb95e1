// The learned causal graph: causes above effects, strength as width, a head only where a direction was stated,
// follows from a formula, or is suggested.
import { Failure, number, percent } from "../ui.js";
import { html, useMemo, useState } from "../vendor/preact.js";
import { ModelKnowledge } from "./knowledge.js";
import { layered } from "./layers.js";
import { useLoad } from "./parts.js";

const SHOWN = 21;
const MAX_DRAWN = 80; // edges; with more, a drawing is unreadable and the list of one column's edges takes its place
const MAX_LISTED = 60; // columns in the list at a time
const LEAST_SCALE = 0.8; // names are not readable below it, so the drawing scrolls
const BASES = { stated: "you said so", implied: "one is computed from the other", suggested: "suggested by the data alone", undirected: "direction open", weak: "seen in few resamples" };
const FORMER = { directed: "undirected", undecided: "undirected", weak: "weak" }; // of graphs that say nothing of the basis
const basisOf = (edge) => edge.basis ?? FORMER[edge.state] ?? "weak";
/** The edges to draw: an arrow suggested before half-samples decided on it is no better than a coin flip. */
const shown = (graph) => graph.suggestions ? graph.edges : graph.edges.map((edge) => basisOf(edge) === "suggested" ? { ...edge, basis: "undirected" } : edge);
const SUGGESTIONS = {
  computed: "Dotted arrows are suggested by the data alone: in tests with known answers one in three such directions was wrong.",
  "not computed": "Suggestions are not computed for this table: they would take too long. State the directions that you know.",
};
const FORMERLY = "This model is of an earlier version, which suggested directions too easily: none is shown. Fit again to have suggestions.";
const hasHead = (basis) => basis !== "undirected" && basis !== "weak";
const headOf = (basis) => (hasHead(basis) ? "url(#head)" : null);

function Edge({ edge, path, dim }) {
  const basis = basisOf(edge);
  const link = hasHead(basis) ? "→" : "–";
  return html`<path class=${`edge ${basis} ${dim ? "dim" : ""}`} d=${path} stroke-width=${1 + 2.5 * edge.strength} marker-end=${headOf(basis)}><title>${edge.source} ${link} ${edge.target}: ${percent(edge.strength, 0)}, ${BASES[basis]}</title></path>`;
}

function Node({ name, at, size, chosen, dim, onClick }) {
  return html`<g class=${`node ${chosen ? "chosen" : ""} ${dim ? "dim" : ""}`} onClick=${onClick}><title>${name}</title><rect x=${at.x - size.width / 2} y=${at.y - size.height / 2} width=${size.width} height=${size.height} rx="8" />
    <text x=${at.x} y=${at.y + 4.5}>${name.length > SHOWN ? `${name.slice(0, SHOWN - 1)}…` : name}</text></g>`;
}

/** The graph as a drawing and as a table; edges of the chosen column are highlighted. */
function Edges({ graph, drawn, chosen, onChoose }) {
  const touches = (edge) => !chosen || edge.source === chosen || edge.target === chosen;
  const near = new Set(chosen ? graph.edges.filter(touches).flatMap((edge) => [edge.source, edge.target]) : graph.order);
  return html`<ul class="legend">${Object.entries(BASES).map(([basis, text]) => html`<li><svg viewBox="0 0 44 12" width="44" height="12" aria-hidden="true"><path class=${`edge ${basis}`} d="M1 6H36" stroke-width="2.5" marker-end=${headOf(basis)} /></svg>${text}</li>`)}</ul>
    <div class="scroll card graph" tabindex="0" role="region" aria-label="Drawing of the causal graph; the table below has the same edges"><svg viewBox=${`0 0 ${drawn.width} ${drawn.height}`} width=${drawn.width} style=${{ minWidth: `${drawn.width * LEAST_SCALE}px` }} role="img" aria-label="Causal graph">
      <defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 8 4 0 8z" /></marker></defs>
      ${drawn.lines.map(({ edge, path }) => html`<${Edge} edge=${edge} path=${path} dim=${!touches(edge)} />`)}
      ${Object.entries(drawn.boxes).map(([name, at]) => html`<${Node} name=${name} at=${at} size=${drawn.size} chosen=${name === chosen} dim=${!near.has(name)} onClick=${() => onChoose(name === chosen ? "" : name)} />`)}</svg></div>
    ${drawn.loose.length > 0 && html`<p class="quiet">Without an edge: ${drawn.loose.join(", ")}.</p>`}
    <details><summary>The edges as a table</summary><div class="scroll" tabindex="0" role="region" aria-label="Edges"><table><thead><tr><th scope="col">From</th><th scope="col">To</th><th scope="col">Agreement</th><th scope="col">Rests on</th></tr></thead>
      <tbody>${graph.edges.filter(touches).map((edge) => html`<tr><td>${edge.source}</td><td>${edge.target}</td><td>${percent(edge.strength, 0)}</td><td>${BASES[basisOf(edge)]}</td></tr>`)}</tbody></table></div></details>`;
}

/** For a graph too wide to draw: the columns with their edges, by name. */
function Listed({ graph, sought, chosen }) {
  const near = useMemo(() => {
    const found = new Map(graph.order.map((name) => [name, []]));
    for (const edge of graph.edges) for (const [name, other] of [[edge.source, edge.target], [edge.target, edge.source]]) found.get(name).push([other, edge]);
    return [...found].sort(([a, ones], [b, others]) => others.length - ones.length || a.localeCompare(b));
  }, [graph]);
  const word = sought.toLowerCase();
  const wanted = near.filter(([name, edges]) => edges.length && (chosen ? name === chosen : name.toLowerCase().includes(word)));
  const link = (name, edge) => !hasHead(basisOf(edge)) ? "–" : edge.source === name ? "→" : "←";
  return html`<p class="quiet" role="status">${number(wanted.length)} columns with an edge${wanted.length > MAX_LISTED ? `; the ${MAX_LISTED} with the most edges are listed` : ""}.</p>
    <ul class="by-column" aria-label="Edges by column">${wanted.slice(0, MAX_LISTED).map(([name, edges]) => html`<li key=${name}><h3>${name}</h3><ul>${edges.map(([other, edge]) => html`<li key=${other}>${link(name, edge)} ${other} <span class="quiet">${percent(edge.strength, 0)}, ${BASES[basisOf(edge)]}</span></li>`)}</ul></li>`)}</ul>`;
}

/** A column, what it has an edge with, and the edges among them, if that is little enough to draw. */
function around(graph, chosen) {
  const near = new Set(graph.edges.filter((edge) => edge.source === chosen || edge.target === chosen).flatMap((edge) => [edge.source, edge.target]));
  const part = { ...graph, order: graph.order.filter((name) => near.has(name)), edges: graph.edges.filter((edge) => near.has(edge.source) && near.has(edge.target)) };
  return part.edges.length && part.edges.length <= MAX_DRAWN ? part : null;
}

/** The list of a wide graph; of one column also the drawing of what is around it. */
function Wide({ graph, sought, chosen, onChoose }) {
  const part = useMemo(() => chosen ? around(graph, chosen) : null, [graph, chosen]);
  return html`${part && html`<${Edges} graph=${part} drawn=${layered(part)} chosen=${chosen} onChoose=${onChoose} />`}<${Listed} graph=${graph} sought=${sought} chosen=${chosen} />`;
}

export function Graph({ session, dataset, onFit }) {
  const [graph, problem] = useLoad(() => session.get(`/v1/datasets/${dataset.dataset_id}/graph`).then((found) => ({ ...found, edges: shown(found) })), [session, dataset.dataset_id]);
  const [sought, setSought] = useState("");
  const [chosen, setChosen] = useState("");
  const wide = graph?.edges.length > MAX_DRAWN;
  const drawn = useMemo(() => graph?.edges.length && !wide ? layered(graph) : null, [graph]);
  if (problem) return html`<${Failure} problem=${problem} />`;
  if (!graph) return html`<p role="status">Loading the graph</p>`;
  return html`<section aria-labelledby="graph-title"><div class="head"><h2 id="graph-title">Causal graph</h2>
    ${wide && html`<div class="field inline"><label for="sought-column">Find a column</label><input id="sought-column" type="search" value=${sought} onInput=${(event) => setSought(event.target.value)} /></div>`}
    ${(drawn || wide) && html`<div class="field inline"><label for="around">Look at</label><select id="around" value=${chosen} onChange=${(event) => setChosen(event.target.value)}><option value="">every column</option>${[...graph.order].sort().map((name) => html`<option>${name}</option>`)}</select></div>`}</div>
    <p class="quiet lead">Learned from ${number(dataset.rows)} rows. Solid arrows are what you said, or what a column is computed from. ${SUGGESTIONS[graph.suggestions] ?? FORMERLY} Lines are what stays associated when the others are held; which way they act, the data alone rarely tell. The wider an edge, the more of ${graph.bootstraps} resamples agree on it.</p>
    ${graph.audit?.arrows > 0 && html`<p class="quiet">Without your knowledge, ${graph.audit.wrong} of ${graph.audit.arrows} known arrows pointed the wrong way.</p>`}
    ${(graph.questioned ?? []).map((one) => html`<p class="notice warn">${one.text}</p>`)}
    ${graph.skips?.length > 0 && html`<p class="quiet">Not drawn, because they go together only in who was asked or answered: ${graph.skips.map(({ source, target }) => `${source} and ${target}`).join("; ")}.</p>`}
    ${wide ? html`<${Wide} graph=${graph} sought=${sought} chosen=${chosen} onChoose=${setChosen} />` : drawn ? html`<${Edges} graph=${graph} drawn=${drawn} chosen=${chosen} onChoose=${setChosen} />` : html`<p class="empty">No column was found to depend on another.</p>`}</section>
    <${ModelKnowledge} session=${session} dataset=${dataset} columns=${graph.order} edges=${graph.edges} proposals=${graph.proposals ?? []} onFit=${onFit} />`;
}

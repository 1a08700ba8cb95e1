// Known causes: an editor of blocks, required and forbidden edges, for an upload or for an existing model.
import { Failure, useAction } from "../ui.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { Blocks, useUsualOrder } from "./blocks.js";
import { Chips, Name, without } from "./chips.js";
import { putAgain, useLoad } from "./parts.js";

const HEAD_BYTES = 65_536;
const TEXT = /\.(csv|tsv|txt)$/i;
const EDGES = [["required", "Required", "Edges from a cause to its effect that the graph must have."], ["forbidden", "Forbidden", "Edges that the graph must not have."]];

export const nothingKnown = { tiers: [], required: [], forbidden: [], confirmed: [], background: "ask" };
/** The knowledge without empty tiers. */
export const stated = (known) => ({ ...known, tiers: known.tiers.filter((tier) => tier.length), confirmed: known.confirmed.filter((tier) => tier.length) });
export const isEmpty = (known) => known.background !== "auto" && !stated(known).confirmed.length && !stated(known).tiers.length && !known.required.length && !known.forbidden.length;

/** The column names in the first line of a delimited text file; null for another format. */
export async function columnsOf(file) {
  if (!TEXT.test(file.name)) return null;
  const line = (await file.slice(0, HEAD_BYTES).text()).replace(/^\ufeff/, "").split(/\r?\n/, 1)[0];
  const delimiter = [",", ";", "\t", "|"].reduce((best, one) => line.split(one).length > line.split(best).length ? one : best);
  const cells = line.match(new RegExp(`(?:"(?:[^"]|"")*"|[^${delimiter === "|" ? "\\|" : delimiter}])+`, "g")) ?? [];
  return cells.map((cell) => cell.trim().replace(/^"(.*)"$/s, "$1").replaceAll('""', '"')).filter(Boolean);
}

function Edges({ id, title, text, columns, edges, onChange }) {
  const [source, setSource] = useState("");
  const [target, setTarget] = useState("");
  const known = edges.some((edge) => edge.source === source && edge.target === target);
  const add = () => { onChange([...edges, { source, target }]); setSource(""); setTarget(""); };
  return html`<section aria-label=${title}><h3>${title}</h3><p class="quiet">${text}</p>
    <${Chips} label=${title} texts=${edges.map((edge) => `${edge.source} → ${edge.target}`)} last=${`${id}-source`} onRemove=${(at) => onChange(without(edges, at))} />
    <div class="row edge-form"><${Name} id=${`${id}-source`} label="From" columns=${columns} value=${source} none="Cause" onChange=${setSource} />
      <${Name} id=${`${id}-target`} label="To" columns=${columns?.filter((name) => name !== source)} value=${target} none="Effect" onChange=${setTarget} />
      <button type="button" disabled=${!source || !target || known} aria-label=${`Add to ${title.toLowerCase()}`} onClick=${add}>Add</button></div></section>`;
}

/** Edges whose direction the data do not determine; a click states it. */
function Open({ edges, known, onChange }) {
  const stands = ({ source, target }) => [...known.required, ...known.forbidden].some((edge) => [source, target].includes(edge.source) && [source, target].includes(edge.target));
  const open = edges.filter((edge) => edge.state === "undecided" && !stands(edge));
  if (!open.length) return null;
  const require = (source, target) => () => onChange({ ...known, required: [...known.required, { source, target }] });
  return html`<section class="wide" aria-label="Undecided"><h3>Undecided</h3><p class="quiet">The data do not determine the direction of these edges. State it where you know it.</p><ul class="open-edges">${open.map(({ source, target }) => html`<li key=${`${source} ${target}`}><span>${source}</span>
    <button type="button" aria-label=${`${source} causes ${target}`} onClick=${require(source, target)}>→</button><button type="button" aria-label=${`${target} causes ${source}`} onClick=${require(target, source)}>←</button><span>${target}</span></li>`)}</ul></section>`;
}

/** Columns that look like background: a click confirms them all, or one; nothing binds before. */
function Background({ proposals, known, onChange }) {
  const named = [...known.tiers, ...known.confirmed].flat();
  const open = proposals.filter((one) => !named.includes(one.column));
  const confirm = (chosen) => onChange({ ...known, confirmed: [0, 1].map((tier) => [...(known.confirmed[tier] ?? []), ...chosen.filter((one) => one.tier === tier).map((one) => one.column)]) });
  const confirmed = known.confirmed.flat();
  const unconfirm = (name) => onChange({ ...known, confirmed: known.confirmed.map((tier) => tier.filter((one) => one !== name)) });
  if (!open.length && !confirmed.length) return null;
  return html`<section class="wide" aria-label="Background"><h3>Background</h3>
    ${confirmed.length > 0 && html`<p class="quiet">Confirmed: these come before all other columns.</p>`}
    <${Chips} label="Confirmed" texts=${confirmed} last="confirm-all" onRemove=${(at) => unconfirm(confirmed[at])} />
    ${open.length > 0 && html`<p class="quiet">These look like background, which no other column can cause. Nothing is bound until you confirm it.</p>
      <ul>${open.map((one) => html`<li key=${one.column}>${one.reason} <button type="button" class="small" aria-label=${`Confirm ${one.column}`} onClick=${() => confirm([one])}>Confirm</button></li>`)}</ul>
      <div><button type="button" id="confirm-all" onClick=${() => confirm(open)}>Confirm all</button></div>`}</section>`;
}

/** At an upload, before anything is known of the columns. */
function Automatic({ id, known, onChange }) {
  return html`<div class="wide"><label for=${`${id}-auto`}><input type="checkbox" id=${`${id}-auto`} checked=${known.background === "auto"} onChange=${(event) => onChange({ ...known, background: event.target.checked ? "auto" : "ask" })} /> Put columns that look like background (age, sex, wave) before all others. Every answer says so.</label></div>`;
}

export function Editor({ id, columns, value, onChange, edges = [], proposals = null, usual = null }) {
  return html`<div class="knowledge">${proposals ? html`<${Background} proposals=${proposals} known=${value} onChange=${onChange} />` : html`<${Automatic} id=${id} known=${value} onChange=${onChange} />`}<${Open} edges=${edges} known=${value} onChange=${onChange} />
    <${Blocks} id=${id} columns=${columns} blocks=${value.tiers} usual=${usual} onChange=${(tiers) => onChange({ ...value, tiers })} />
    ${EDGES.map(([field, title, text]) => html`<${Edges} key=${field} id=${`${id}-${field}`} title=${title} text=${text} columns=${columns} edges=${value[field]} onChange=${(next) => onChange({ ...value, [field]: next })} />`)}</div>`;
}

/** The knowledge of a model, and a way to change it and fit again; `failed`: the last fit failed. */
export function ModelKnowledge({ session, dataset, columns, edges, proposals = [], failed = false, onFit }) {
  const [before, problem] = useLoad(() => session.get(`/v1/datasets/${dataset.dataset_id}/knowledge`).catch((found) => {
    if (failed && found.status === 409) return nothingKnown; // the model was deleted
    throw found;
  }), [session, dataset.dataset_id]);
  const [draft, setDraft] = useState(null);
  const usual = useUsualOrder(session, dataset);
  const [asking, setAsking] = useState(false);
  const sure = useRef(null);
  useEffect(() => { if (asking) sure.current?.focus(); }, [asking]);
  const [fit, busy, refused] = useAction(async () => { await putAgain(session, `/v1/datasets/${dataset.dataset_id}/knowledge`, stated(draft ?? before)); onFit(); });
  if (problem) return html`<${Failure} problem=${problem} />`;
  if (!before) return null;
  const known = draft ?? before;
  const changed = draft && JSON.stringify(stated(draft)) !== JSON.stringify(before);
  const now = failed ? `No model could be fit${isEmpty(before) ? "; nothing was stated" : " with the knowledge below"}.` : isEmpty(before) ? "Nothing is stated: the graph is learned from the data alone." : "The model was fit with the knowledge below, and the graph follows it.";
  return html`<section class="card" aria-labelledby="knowledge-title"><h2 id="knowledge-title">Known causes</h2>
    <p class="quiet lead">${now} A change needs a new fit.</p>
    <${Editor} id="known" columns=${[...columns].sort()} value=${known} edges=${edges} proposals=${proposals} usual=${usual} onChange=${(next) => { setDraft(next); setAsking(false); }} />
    <${Failure} problem=${refused} />
    ${asking ? html`<div class="notice warn ask" role="group" aria-label="Confirm"><p>A new model replaces this one. Everything generated and estimated from this model is erased with it.</p><div class="row">
        <button class="primary" ref=${sure} disabled=${busy} onClick=${fit}>${busy ? "Erasing the previous model" : "Fit again"}</button><button disabled=${busy} onClick=${() => setAsking(false)}>Keep this model</button></div></div>`
      : html`<div class="row"><button class="primary" disabled=${busy || !(changed || failed)} onClick=${failed ? fit : () => setAsking(true)}>Fit with this</button>
        ${changed && html`<button class="plain" onClick=${() => setDraft(null)}>Discard changes</button>`}</div>`}</section>`;
}

/** For a cleaned dataset without a model: change the knowledge, or fit again. */
export function FitAgain({ session, dataset, onFit }) {
  const [schema] = useLoad(() => session.get(`/v1/datasets/${dataset.dataset_id}/schema`), [session, dataset.dataset_id]);
  if (!schema) return null;
  const learned = schema.columns.filter((column) => column.learned).map((column) => column.name);
  return html`<${ModelKnowledge} session=${session} dataset=${dataset} columns=${learned} edges=${[]} failed onFit=${onFit} />`;
}

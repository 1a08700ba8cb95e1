// Complete rows: the gaps of this table, or of given rows, filled several times. Rows are never shown.
import { Clock, Failure, Status, number, percent, unfinished, useAction, when } from "../ui.js";
import { html, useRef, useState } from "../vendor/preact.js";
import { named } from "./names.js";
import { Chips, without } from "./chips.js";
import { useLoad, usePolling } from "./parts.js";
import { useSchema } from "./schema.js";

const OWN = "";
const STATED = { pairs: "nothing", independent: "only the common columns connect them", positive: "larger goes with larger among alike people", negative: "larger goes with smaller among alike people", impossible: "nobody gives these two answers" };
const fillable = (schema) => schema.columns.filter((column) => column.learned);

/** Upload rows that are given: no model is fit on them. */
function Give({ session, onGiven }) {
  const input = useRef(null);
  const [share, setShare] = useState(null);
  const [send, busy, problem] = useAction(async (file) => {
    try {
      onGiven((await session.upload(file, { fit: false, description: named(file) }, setShare)).dataset_id);
    } finally {
      setShare(null);
    }
  });
  return html`<input ref=${input} id="given-file" class="unseen" type="file" tabindex="-1" aria-label="Rows to complete" onChange=${(event) => { const [file] = event.target.files; event.target.value = ""; if (file) send(file); }} />
    <button type="button" disabled=${busy} onClick=${() => input.current.click()}>${busy ? `Uploading ${percent(share ?? 0)}` : "Upload rows to complete"}</button><${Failure} problem=${problem} />`;
}

function Form({ session, dataset, schema, given, again, onMade }) {
  const [source, setSource] = useState(OWN);
  const [columns, setColumns] = useState([]);
  const [implicates, setImplicates] = useState(10);
  const [missing, setMissing] = useState(false);
  const [pairs, setPairs] = useState([]);
  const chosen = given.find((one) => one.dataset_id === source);
  const waits = source !== OWN && chosen?.status !== "ready";
  usePolling(waits && (!chosen || unfinished(chosen.status)), again);
  const [ask, busy, problem] = useAction(async () => onMade(await session.post(`/v1/datasets/${dataset.dataset_id}/generations`, {
    given: { implicates, ...(source !== OWN && { dataset_id: source }), ...(columns.length && { columns }), ...(missing && { unknown: "missing" }), ...(source !== OWN && asked(pairs)) },
  })));
  return html`<form class="card effect-form" onSubmit=${(event) => { event.preventDefault(); ask(); }}>
    <div class="field"><label for="given-rows">Rows</label><select id="given-rows" value=${source} onChange=${(event) => setSource(event.target.value)}><option value=${OWN}>The gaps of this table</option>
      ${source !== OWN && !chosen && html`<option value=${source}>${source}</option>`}${given.map((one) => html`<option value=${one.dataset_id}>${one.dataset_id}${one.rows == null ? "" : `, ${number(one.rows)} rows`}</option>`)}</select></div>
    <${Give} session=${session} onGiven=${(id) => { setSource(id); again(); }} />
    <div class="field"><label for="fill-columns">Columns to fill; all that can be filled if none is chosen</label><select id="fill-columns" multiple onChange=${(event) => setColumns([...event.target.selectedOptions].map((one) => one.value))}>
      ${fillable(schema).map((column) => html`<option value=${column.name}>${column.label ?? column.name}</option>`)}</select></div>
    <div class="field"><label for="implicates">How often each gap is filled</label><input id="implicates" type="number" min="2" max="50" required value=${implicates} onInput=${(event) => setImplicates(Number(event.target.value))} /></div>
    ${source !== OWN && html`<label class="check"><input type="checkbox" checked=${missing} onChange=${(event) => setMissing(event.target.checked)} /> Take levels that the model does not know as missing</label>`}
    ${source !== OWN && html`<${Pairs} of=${pairs} onChange=${setPairs} />`}
    <div><button class="primary" disabled=${busy || waits}>${busy ? "Sending" : "Complete"}</button>${waits && html` <span class="quiet" role="status">${chosen?.status === "failed" ? "The rows could not be read." : "The rows are being read."}</span>`}</div><${Failure} problem=${problem} /></form>`;
}

/** The pairs that are asked about: two columns, and what is stated of them. */
function Pairs({ of, onChange }) {
  const [x, setX] = useState("");
  const [y, setY] = useState("");
  const [stated, setStated] = useState("pairs");
  const [levels, setLevels] = useState(["", ""]);
  const made = { first: x.trim(), second: y.trim(), stated, ...(stated === "impossible" && { levels: levels.map((one) => one.trim()) }) };
  const isWhole = [made.first, made.second, ...(made.levels ?? [])].every(Boolean) && !of.some((one) => said(one) === said(made));
  const add = () => { onChange([...of, made]); setX(""); setY(""); setLevels(["", ""]); };
  return html`<fieldset class="tier"><legend>Pairs that nobody answered together</legend>
    <p class="quiet">A column that only the given rows have, and one of this table. Bounds say what the common columns allow.</p>
    <div class="effect-form"><div class="field"><label for="pair-x">Column of the given rows</label><input id="pair-x" value=${x} onInput=${(event) => setX(event.target.value)} /></div>
      <div class="field"><label for="pair-y">Column of this table</label><input id="pair-y" value=${y} onInput=${(event) => setY(event.target.value)} /></div>
      <div class="field"><label for="pair-stated">What you state of them</label><select id="pair-stated" value=${stated} onChange=${(event) => setStated(event.target.value)}>${Object.entries(STATED).map(([value, text]) => html`<option value=${value}>${text}</option>`)}</select></div>
      ${stated === "impossible" && ["Answer in the given rows", "Answer in this table"].map((label, at) => html`<div class="field"><label for=${`pair-level-${at}`}>${label}</label><input id=${`pair-level-${at}`} value=${levels[at]} onInput=${(event) => setLevels(levels.with(at, event.target.value))} /></div>`)}
      <div><button type="button" disabled=${!isWhole} onClick=${add}>Add the pair</button></div></div>
    <${Chips} label="Pairs" texts=${of.map(said)} last="pair-x" onRemove=${(at) => onChange(without(of, at))} /></fieldset>`;
}

/** A pair and its statement in words. */
function said({ first, second, stated, levels }) {
  return levels ? `${first} = ${levels[0]} × ${second} = ${levels[1]}: never` : `${first} × ${second}${stated === "pairs" ? "" : `: ${STATED[stated]}`}`;
}

/** Pairs as the service has them. */
function asked(pairs) {
  const some = (stated) => pairs.filter((one) => one.stated === stated).map(({ stated: _, ...pair }) => pair);
  const sign = ["positive", "negative"].flatMap((kind) => some(kind).map((one) => ({ ...one, sign: kind })));
  const found = { pairs: some("pairs"), independent: some("independent"), sign, impossible: some("impossible") };
  return Object.fromEntries(Object.entries(found).filter(([, list]) => list.length));
}

const ends = (cell) => `${percent(cell.least, 1)} to ${percent(cell.most, 1)}`;

/** The cells of a pair with their bounds as bars, and the figure as a mark where there is one. */
function PairCells({ of }) {
  const title = `${of.first} × ${of.second}: ${of.verdict}`;
  return html`<h3>${title}</h3><p>${of.text} On average the bounds are ${number(100 * of.width, 1)} points apart, ${number(100 * of.plain, 1)} without the common columns.</p>
    <div class="scroll" tabindex="0" role="region" aria-label=${title}><table><caption class="quiet">Share of all rows that gives both answers.</caption>
      <thead><tr><th scope="col">${of.first}</th><th scope="col">${of.second}</th><th scope="col">At least, at most</th><th scope="col">Drawn</th><th scope="col">Figure</th></tr></thead>
      <tbody>${of.cells.map((cell) => html`<tr><th scope="row">${cell.first}</th><td>${cell.second}</td><td class="bounds">${ends(cell)}</td>
        <td><svg width="160" height="16" viewBox="0 0 160 16" role="img" aria-label=${ends(cell)}><rect x="0" y="7" width="160" height="2" fill="currentColor" opacity=".2" /><rect x=${160 * cell.least} y="4" width=${Math.max(160 * (cell.most - cell.least), 1)} height="8" fill="currentColor" opacity=".5" />${cell.figure != null && html`<rect x=${160 * cell.figure - 1} y="0" width="2" height="16" fill="currentColor" />`}</svg></td>
        <td>${cell.figure == null ? (of.verdict === "open" ? "not known" : cell.low == null ? "hidden, or others would follow" : "fewer than five persons") : `${percent(cell.figure, 1)} (${percent(cell.low, 1)} to ${percent(cell.high, 1)})`}</td></tr>`)}</tbody></table></div>`;
}

/** What was filled, what each column is worth, and how the check went. */
export function Completion({ of }) {
  return html`<section aria-labelledby="filled-title"><h2 id="filled-title">What was filled</h2>
    <p>${number(of.rows)} rows with ${number(of.gaps)} gaps: ${number(of.filled)} filled, ${of.implicates} times each. Analyze each of the ${of.implicates} tables and pool the results: one alone is too sure.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Filled columns"><table><caption class="quiet">Worth: respondents that the filled column stands for. Check: share of known answers that the 80 % sets hold.</caption>
      <thead><tr><th scope="col">Column</th><th scope="col">Gaps</th><th scope="col">Filled</th><th scope="col">Left empty</th><th scope="col">Worth</th><th scope="col">Check</th></tr></thead>
      <tbody>${of.columns.map((one) => html`<tr><th scope="row">${one.column}</th><td>${number(one.gaps)}</td><td>${number(one.filled)}</td><td>${number(one.left_empty)}</td><td>${one.worth == null ? "unknown" : number(one.worth)}</td><td>${one.check ? percent(one.check.share) : "too few"}</td></tr>`)}</tbody></table></div>
    ${of.privacy && html`<p class=${`notice ${of.privacy.verdict === "passed" ? "good" : "warn"}`}>Filled rows are nearer to the respondents that their model saw in ${percent(of.privacy.nearness, 1)} of the cases; ${percent(of.privacy.bar)} is the bar.</p>`}
    ${of.pairs?.length > 0 && html`<h2>Pairs that nobody answered together</h2>${of.pairs.map((one) => html`<${PairCells} key=${`${one.first} ${one.second}`} of=${one} />`)}`}
    ${of.warnings.map((text) => html`<p class="notice warn">${text}</p>`)}</section>`;
}

export function Complete({ session, dataset }) {
  const [schema, problem] = useSchema(session, dataset);
  const [datasets, trouble, again] = useLoad(() => session.list("/v1/datasets?limit=100"), [session]);
  const [made, failure, look] = useLoad(() => session.list(`/v1/generations?limit=100&dataset_id=${dataset.dataset_id}`), [session, dataset.dataset_id]);
  const completions = (made ?? []).filter((one) => one.given);
  usePolling(completions.some((one) => unfinished(one.status)), look);
  return html`<section aria-labelledby="complete-title"><h2 id="complete-title">Complete rows</h2><p class="quiet">Missing answers are filled several times, each time by a model of another half of the respondents. The file has the filled cells only, with their row numbers: join it to your own.</p>
    <${Failure} problem=${problem ?? trouble ?? failure} />
    ${schema && datasets && html`<${Form} session=${session} dataset=${dataset} schema=${schema} given=${datasets.filter((one) => one.purpose === "given")} again=${again} onMade=${(one) => { location.hash = `#/generations/${one.generation_id}`; }} />`}</section>
    ${completions.length > 0 && html`<section aria-labelledby="completed-title"><h2 id="completed-title">Completions</h2><ul class="items">${completions.map((one) => html`<li key=${one.generation_id}><a class="item" href=${`#/generations/${one.generation_id}`}><span><span class="name">${one.given.dataset_id ?? "Own gaps"}</span><span class="quiet id">${one.generation_id}</span></span><${Status} of=${one.status} />
      <span class="quiet">${one.created_at ? when(one.created_at) : ""}</span><${Clock} until=${one.expires_at} from=${one.created_at} /></a></li>`)}</ul></section>`}`;
}

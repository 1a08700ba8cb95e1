// Complete rows: the gaps of this table, or of given rows, filled several times. Rows are never shown.
import { Clock, Failure, Status, number, percent, unfinished, useAction, when } from "../ui.js";
import { html, useRef, useState } from "../vendor/preact.js";
import { named } from "./names.js";
import { useLoad, usePolling } from "./parts.js";
import { useSchema } from "./schema.js";

const OWN = "";
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
  const chosen = given.find((one) => one.dataset_id === source);
  const waits = source !== OWN && chosen?.status !== "ready";
  usePolling(waits && (!chosen || unfinished(chosen.status)), again);
  const [ask, busy, problem] = useAction(async () => onMade(await session.post(`/v1/datasets/${dataset.dataset_id}/generations`, {
    given: { implicates, ...(source !== OWN && { dataset_id: source }), ...(columns.length && { columns }), ...(missing && { unknown: "missing" }) },
  })));
  return html`<form class="card effect-form" onSubmit=${(event) => { event.preventDefault(); ask(); }}>
    <div class="field"><label for="given-rows">Rows</label><select id="given-rows" value=${source} onChange=${(event) => setSource(event.target.value)}><option value=${OWN}>The gaps of this table</option>
      ${source !== OWN && !chosen && html`<option value=${source}>${source}</option>`}${given.map((one) => html`<option value=${one.dataset_id}>${one.dataset_id}${one.rows == null ? "" : `, ${number(one.rows)} rows`}</option>`)}</select></div>
    <${Give} session=${session} onGiven=${(id) => { setSource(id); again(); }} />
    <div class="field"><label for="fill-columns">Columns to fill; all that can be filled if none is chosen</label><select id="fill-columns" multiple onChange=${(event) => setColumns([...event.target.selectedOptions].map((one) => one.value))}>
      ${fillable(schema).map((column) => html`<option value=${column.name}>${column.label ?? column.name}</option>`)}</select></div>
    <div class="field"><label for="implicates">How often each gap is filled</label><input id="implicates" type="number" min="2" max="50" required value=${implicates} onInput=${(event) => setImplicates(Number(event.target.value))} /></div>
    ${source !== OWN && html`<label class="check"><input type="checkbox" checked=${missing} onChange=${(event) => setMissing(event.target.checked)} /> Take levels that the model does not know as missing</label>`}
    <div><button class="primary" disabled=${busy || waits}>${busy ? "Sending" : "Complete"}</button>${waits && html` <span class="quiet" role="status">${chosen?.status === "failed" ? "The rows could not be read." : "The rows are being read."}</span>`}</div><${Failure} problem=${problem} /></form>`;
}

/** What was filled, what each column is worth, and how the check went. */
export function Completion({ of }) {
  return html`<section aria-labelledby="filled-title"><h2 id="filled-title">What was filled</h2>
    <p>${number(of.rows)} rows with ${number(of.gaps)} gaps: ${number(of.filled)} filled, ${of.implicates} times each. Analyze each of the ${of.implicates} tables and pool the results: one alone is too sure.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Filled columns"><table><caption class="quiet">Worth: respondents that the filled column stands for. Check: share of known answers that the 80 % sets hold.</caption>
      <thead><tr><th scope="col">Column</th><th scope="col">Gaps</th><th scope="col">Filled</th><th scope="col">Left empty</th><th scope="col">Worth</th><th scope="col">Check</th></tr></thead>
      <tbody>${of.columns.map((one) => html`<tr><th scope="row">${one.column}</th><td>${number(one.gaps)}</td><td>${number(one.filled)}</td><td>${number(one.left_empty)}</td><td>${one.worth == null ? "unknown" : number(one.worth)}</td><td>${one.check ? percent(one.check.share) : "too few"}</td></tr>`)}</tbody></table></div>
    ${of.privacy && html`<p class=${`notice ${of.privacy.verdict === "passed" ? "good" : "warn"}`}>Filled rows are nearer to the respondents that their model saw in ${percent(of.privacy.nearness, 1)} of the cases; ${percent(of.privacy.bar)} is the bar.</p>`}
    ${of.warnings.map((text) => html`<p class="notice warn">${text}</p>`)}</section>`;
}

export function Complete({ session, dataset }) {
  const [schema, problem] = useSchema(session, dataset);
  const [datasets, trouble, again] = useLoad(() => session.list("/v1/datasets?limit=100"), [session]);
  const [made, failure, look] = useLoad(() => session.list(`/v1/generations?limit=100&dataset_id=${dataset.dataset_id}`), [session, dataset.dataset_id]);
  const completions = (made ?? []).filter((one) => one.given);
  usePolling(completions.some((one) => unfinished(one.status)), look);
  return html`<h2>Complete rows</h2><p class="quiet">Missing answers are filled several times, each time by a model of another half of the respondents. The file has the filled cells only, with their row numbers: join it to your own.</p>
    <${Failure} problem=${problem ?? trouble ?? failure} />
    ${schema && datasets && html`<${Form} session=${session} dataset=${dataset} schema=${schema} given=${datasets.filter((one) => one.purpose === "given")} again=${again} onMade=${(one) => { location.hash = `#/generations/${one.generation_id}`; }} />`}
    ${completions.length > 0 && html`<section aria-labelledby="completed-title"><h2 id="completed-title">Completions</h2><ul class="items">${completions.map((one) => html`<li key=${one.generation_id}><a class="item" href=${`#/generations/${one.generation_id}`}><span><span class="name">${one.given.dataset_id ?? "Own gaps"}</span><span class="quiet id">${one.generation_id}</span></span><${Status} of=${one.status} />
      <span class="quiet">${one.created_at ? when(one.created_at) : ""}</span><${Clock} until=${one.expires_at} from=${one.created_at} /></a></li>`)}</ul></section>`}`;
}

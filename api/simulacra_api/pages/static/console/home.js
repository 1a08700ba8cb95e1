// The list of datasets and of results that outlived theirs, and the upload of a new dataset.
import { Problem } from "../api.js";
import { Clock, Dots, Failure, Meter, Status, bytes, number, unfinished, useAction } from "../ui.js";
import { html, useRef, useState } from "../vendor/preact.js";
import { VIEWS } from "./answers.js";
import { Draft } from "./draft.js";
import { Made } from "./generate.js";
import { Editor, columnsOf, nothingKnown, isEmpty, stated } from "./knowledge.js";
import { named, remember, titleOf, useName } from "./names.js";
import { RetentionSelect, useLoad, usePolling } from "./parts.js";

const REFRESH_SECONDS = 5;
const SOURCES = [["", "Erase the file once it is read"], ["hold", "Let me check what was read first"], ["keep_source", "Keep the table, to read it again"]];
const PRIVACY = [["standard", "Standard privacy"], ["strict", "Strict privacy"]];
const FAMILIES = [["auto", "Choose by the machine"], ["forest", "Forest"], ["neural", "Neural"]];
const MOST = 200; // items of a list that is shown
const ACCEPTED = ".csv,.tsv,.txt,.gz,.zst,.parquet,.arrow,.feather,.xlsx,.sav";

/** The summary of earlier waves in a file that the console or `simulacra summary` wrote. */
async function summaryOf(file) {
  try {
    return JSON.parse(await file.text());
  } catch {
    throw new Problem({ detail: `${file.name} is no wave summary. Choose a file that was saved under Quality.` }, 0);
  }
}

function Upload({ session }) {
  const [over, setOver] = useState(false);
  const [share, setShare] = useState(null);
  const [retention, setRetention] = useState(86_400);
  const [source, setSource] = useState("");
  const [privacy, setPrivacy] = useState("standard");
  const [family, setFamily] = useState("auto");
  const [weights, setWeights] = useState("");
  const [epsilon, setEpsilon] = useState("");
  const [earlier, setEarlier] = useState(null); // file of the summary of earlier waves
  const [knowing, setKnowing] = useState(false);
  const [known, setKnown] = useState(nothingKnown);
  const [chosen, setChosen] = useState(null);
  const input = useRef(null);
  const [send, busy, problem] = useAction(async (file) => {
    setShare(0);
    try {
      const fields = { retention_seconds: retention, ...(source && { [source]: true }), ...(privacy !== "standard" && { privacy }), ...(family !== "auto" && { family }),
        ...(weights.trim() && { weights: weights.trim() }), ...(epsilon && { epsilon: Number(epsilon) }), description: named(file), ...(earlier && { earlier: await summaryOf(earlier) }), ...(knowing && !isEmpty(known) && { knowledge: stated(known) }) };
      const made = await session.upload(file, fields, setShare);
      remember(session, made.dataset_id, file.name);
      location.hash = `#/datasets/${made.dataset_id}`;
    } finally {
      setShare(null);
    }
  });
  const take = async (file) => {
    if (!file || busy) return;
    setChosen({ file, columns: knowing ? await columnsOf(file) : null });
    if (!knowing) send(file);
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files[0]);
  };
  return html`<section class=${`drop ${over ? "over" : ""}`} aria-labelledby="upload-title" onDrop=${drop}
      onDragOver=${(event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)}>
    <h2 id="upload-title">Upload a table</h2>
    <p class="quiet">Drop a file here, or choose one. It is encrypted as it arrives, cleaned, and a causal model is fit on it.</p>
    <input ref=${input} id="file" class="unseen" type="file" tabindex="-1" aria-label="Table to upload" accept=${ACCEPTED} onChange=${(event) => { take(event.target.files[0]); event.target.value = ""; }} />
    <div class="row"><button class=${knowing && chosen ? "" : "primary"} disabled=${busy} onClick=${() => input.current.click()}>Choose a file</button>
      <${RetentionSelect} id="keep" label="Keep for" value=${retention} onChange=${setRetention} />
      <div class="field inline"><label for="source">After reading</label><select id="source" value=${source} onChange=${(event) => setSource(event.target.value)}>${SOURCES.map(([key, text]) => html`<option value=${key}>${text}</option>`)}</select></div>
      <div class="field inline"><label for="privacy">Small tables</label><select id="privacy" value=${privacy} onChange=${(event) => setPrivacy(event.target.value)}>${PRIVACY.map(([key, text]) => html`<option value=${key}>${text}</option>`)}</select></div>
      <div class="field inline"><input id="knowing" type="checkbox" checked=${knowing} onChange=${(event) => { setKnowing(event.target.checked); setChosen(null); }} /><label for="knowing">State known causes first</label></div></div>
    <details class="more"><summary>More options</summary><div class="effect-form">
      <div class="field"><label for="family">Model family</label><select id="family" value=${family} onChange=${(event) => setFamily(event.target.value)}>${FAMILIES.map(([key, text]) => html`<option value=${key}>${text}</option>`)}</select></div>
      <div class="field"><label for="weights">Column of survey weights</label><input id="weights" value=${weights} autocomplete="off" spellcheck="false" placeholder="none" onInput=${(event) => setWeights(event.target.value)} /></div>
      <div class="field"><label for="epsilon">Differential privacy, epsilon</label><input id="epsilon" type="number" min="0.01" max="100" step="any" placeholder="off" value=${epsilon} onInput=${(event) => setEpsilon(event.target.value)} /></div>
      <div class="field"><label for="earlier">Summary of earlier waves</label><input id="earlier" type="file" accept=".json" onChange=${(event) => setEarlier(event.target.files[0] ?? null)} /></div>
      <p class="quiet">Epsilon gives a formal guarantee and costs realism; it goes together with neither weights nor strict privacy.</p></div></details>
    ${knowing && !chosen && html`<p class="quiet">Choose the file. Its columns are read in this page; nothing is sent until you press Upload.</p>`}
    ${knowing && chosen && html`<${Editor} id="upload-known" columns=${chosen.columns} value=${known} onChange=${setKnown} />
      <div class="row"><button class="primary" disabled=${busy} onClick=${() => send(chosen.file)}>Upload ${chosen.file.name}</button></div>`}
    ${share !== null && html`<div class="progress"><${Meter} value=${Math.round(share * 100)} label="Upload" /><span class="quiet" role="status">${chosen?.file.name}: ${Math.round(share * 100)} % sent</span></div>`}
    <${Failure} problem=${problem} /></section>`;
}

function Row({ session, dataset }) {
  const name = useName(session, dataset.dataset_id, dataset);
  const size = dataset.rows == null ? bytes(dataset.bytes) : `${number(dataset.rows)} rows × ${dataset.columns} columns`;
  return html`<li><a class="item" href=${`#/datasets/${dataset.dataset_id}`}><span><span class="name">${titleOf(name, dataset)}</span><span class="quiet id">${dataset.dataset_id}</span></span><${Status} of=${dataset.status} />
    <span class="quiet">${size} ${dataset.model?.verdicts?.length > 0 && html`<${Dots} verdicts=${dataset.model.verdicts} />`}</span><${Clock} until=${dataset.expires_at} from=${dataset.created_at} />
    ${(dataset.waiting_reason || dataset.error) && html`<span class="quiet waits">${dataset.waiting_reason ?? dataset.error.detail}</span>`}</a></li>`;
}

/** Rows and estimates whose dataset has expired; they live until their own expiry. */
function Outliving({ session, generations, answers }) {
  return html`<section aria-labelledby="outliving-title"><h2 id="outliving-title">From expired datasets</h2>
    ${generations.length > 0 && html`<${Made} generations=${generations} />`}
    ${answers.map(([One, ids]) => html`<ul class="stack">${ids.map((id) => html`<${One} key=${id} session=${session} id=${id} back="#/" />`)}</ul>`)}</section>`;
}

/** What is stored: datasets, and the generations and estimates that outlived theirs. */
async function stored(session) {
  const collections = ["datasets", "generations", ...Object.keys(VIEWS)];
  const [datasets, generations, ...answers] = await Promise.all(collections.map((name) => session.list(`/v1/${name}?limit=100`, MOST)));
  const known = new Set(datasets.map((one) => one.dataset_id));
  // a list that is cut off does not say which datasets are gone
  const outliving = (items) => items.filter((one) => datasets.length < MOST && !known.has(one.dataset_id));
  const shown = Object.entries(VIEWS).map(([name, [, One]], at) => [One, outliving(answers[at]).map((one) => one[`${name.slice(0, -1)}_id`])]);
  return { datasets, generations: outliving(generations), answers: shown.filter(([, ids]) => ids.length > 0) };
}

export function Home({ session }) {
  const [found, problem, again] = useLoad(() => stored(session), [session]);
  const datasets = found?.datasets;
  const outliving = found?.generations.length > 0 || found?.answers.length > 0;
  const working = datasets?.some((one) => unfinished(one.status));
  usePolling(working, again, REFRESH_SECONDS);
  return html`<h1>Datasets</h1><${Upload} session=${session} /><${Draft} session=${session} /><${Failure} problem=${problem} />
    ${datasets && (datasets.length || outliving
      ? html`<ul class="items">${datasets.map((one) => html`<${Row} key=${one.dataset_id} session=${session} dataset=${one} />`)}</ul>`
      : html`<p class="empty">Nothing is stored: no dataset, no model, no generated rows.</p>`)}
    ${outliving && html`<${Outliving} session=${session} generations=${found.generations} answers=${found.answers} />`}
    ${!datasets && !problem && html`<p role="status">Loading</p>`}`;
}

// The list of datasets, and the way in for a new one.
import { Clock, Failure, Meter, Status, bytes, number, unfinished, useAction } from "../ui.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { RetentionSelect, useLoad } from "./parts.js";

const REFRESH_SECONDS = 5;
const ACCEPTED = ".csv,.tsv,.txt,.gz,.zst,.parquet,.arrow,.feather,.xlsx,.sav";

function Upload({ session }) {
  const [over, setOver] = useState(false);
  const [share, setShare] = useState(null);
  const [retention, setRetention] = useState(86_400);
  const [name, setName] = useState("");
  const input = useRef(null);
  const [send, busy, problem] = useAction(async (file) => {
    setName(file.name);
    setShare(0);
    try {
      const made = await session.upload(file, { retention_seconds: retention }, setShare);
      location.hash = `#/datasets/${made.dataset_id}`;
    } finally {
      setShare(null);
    }
  });
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    if (!busy && event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
  };
  return html`<section class=${`drop ${over ? "over" : ""}`} aria-labelledby="upload-title" onDrop=${drop}
      onDragOver=${(event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)}>
    <h2 id="upload-title">Upload a table</h2>
    <p class="quiet">Drop a file here, or choose one. It is encrypted on its way in, cleaned, and a causal model is fit on it.</p>
    <input ref=${input} id="file" class="unseen" type="file" tabindex="-1" aria-label="Table to upload" accept=${ACCEPTED} onChange=${(event) => event.target.files[0] && send(event.target.files[0])} />
    <div class="row"><button class="primary" disabled=${busy} onClick=${() => input.current.click()}>Choose a file</button>
      <${RetentionSelect} id="keep" label="Keep for" value=${retention} onChange=${setRetention} /></div>
    ${share !== null && html`<div class="progress"><${Meter} value=${Math.round(share * 100)} label="Upload" /><span class="quiet" role="status">${name}: ${Math.round(share * 100)} % sent</span></div>`}
    <${Failure} problem=${problem} /></section>`;
}

function Row({ dataset }) {
  const size = dataset.rows == null ? bytes(dataset.bytes) : `${number(dataset.rows)} rows × ${dataset.columns} columns`;
  return html`<li><a class="item" href=${`#/datasets/${dataset.dataset_id}`}><span class="name">${dataset.dataset_id}</span><${Status} of=${dataset.status} />
    <span class="quiet">${size}</span><${Clock} until=${dataset.expires_at} from=${dataset.created_at} /></a></li>`;
}

export function Home({ session }) {
  const [datasets, problem, again] = useLoad(() => session.list("/v1/datasets?limit=100"), [session]);
  const working = datasets?.some((one) => unfinished(one.status));
  useEffect(() => {
    if (!working) return undefined;
    const timer = setInterval(again, REFRESH_SECONDS * 1000);
    return () => clearInterval(timer);
  }, [working]);
  return html`<h1>Datasets</h1><${Upload} session=${session} /><${Failure} problem=${problem} />
    ${datasets && (datasets.length
      ? html`<ul class="items">${datasets.map((one) => html`<${Row} key=${one.dataset_id} dataset=${one} />`)}</ul>`
      : html`<p class="empty">Nothing is kept: no dataset, no model, no generated rows.</p>`)}
    ${!datasets && !problem && html`<p role="status">Looking</p>`}`;
}

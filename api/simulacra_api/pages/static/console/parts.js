// Components shared by the console's views: loading, job progress, retention, erasure.
import { Clock, Failure, Meter, left, number, unfinished, useAction, when } from "../ui.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";

/** Load something when its inputs change: [value, problem, again]. */
export function useLoad(load, inputs) {
  const [value, setValue] = useState(null);
  const [run, , problem] = useAction(async () => setValue(await load()), true);
  useEffect(() => { run(); }, inputs);
  return [value, problem, run];
}

const POLL_SECONDS = 3;

/** Look again while something changes that no job reports: an erasure, or the end of reading a table. */
export function usePolling(active, again, seconds = POLL_SECONDS) {
  useEffect(() => {
    if (!active) return undefined;
    const timer = setInterval(again, seconds * 1000);
    return () => clearInterval(timer);
  }, [active]);
}

export const Erasing = ({ status }) => status === "deleting" ? html`<p class="notice warn" role="status">Being erased: its key first, then every stored object. This page says when it is gone.</p>` : null;

/** What a page says of a resource whose erasure it followed. */
export const Gone = () => html`<p class="notice good" role="status">It is erased. The audit trail has its certificate.</p>`;

const RETRY_MS = 1000;

/** PUT what a model is fit with; retry while the previous model is being erased. */
export async function putAgain(session, path, json) {
  for (;;) {
    try {
      return await session.json(path, { method: "PUT", json });
    } catch (problem) {
      if (problem.code !== "simio_model_in_flight") throw problem;
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
}

/** The state of a job while it runs; `onEnd` is called when it has ended. */
export function useJob(session, jobId, active, onEnd) {
  const [job, setJob] = useState(null);
  useEffect(() => {
    if (!active) return undefined;
    const stop = new AbortController();
    // Until the resource itself says so: its state can be a moment older than the job's.
    const follow = async () => {
      while (!stop.signal.aborted) {
        await session.follow(jobId, setJob, stop.signal).catch(() => null);
        if (stop.signal.aborted) return;
        await onEnd();
        await new Promise((done) => setTimeout(done, RETRY_MS));
      }
    };
    follow();
    return () => stop.abort();
  }, [jobId, active]);
  return job;
}

/** Progress of a job, with a button to cancel it. */
export function Progress({ session, jobId, status, percent, step = "", onEnd }) {
  const active = unfinished(status) && status !== "deleting" && status !== "uploading";
  const job = useJob(session, jobId, active, onEnd);
  const [cancel, busy, problem] = useAction(() => session.json(`/v1/jobs/${jobId}/cancel`, { method: "POST" }));
  if (!active) return null;
  const share = job?.progress_percent ?? percent ?? 0;
  const doing = job?.waiting_reason ? "Waiting" : step;
  const eta = job?.waiting_reason || job?.eta_seconds == null ? "" : job.eta_seconds > 0 ? `, about ${left(job.eta_seconds * 1000)} left` : ", nearly done";
  return html`<div class="progress"><${Meter} value=${share} label="Progress" />
    <span class="quiet" role="status">${doing && share ? `${doing}: ` : doing}${share ? `${share} %${eta}` : doing ? "" : "0 %"}</span>
    <button class="plain" disabled=${busy} onClick=${cancel}>Cancel</button><${Failure} problem=${problem} />${job?.waiting_reason && html`<p class="notice warn" role="status">${job.waiting_reason}</p>`}</div>`;
}

const CHOICES = [[86_400, "24 hours"], [3 * 86_400, "3 days"], [7 * 86_400, "7 days"]];

export function RetentionSelect({ id, value, onChange, label }) {
  return html`<div class="field inline"><label for=${id}>${label}</label><select id=${id} value=${value} onChange=${(event) => onChange(Number(event.target.value))}>
    ${!CHOICES.some(([seconds]) => seconds === value) && html`<option value=${value}>${number(value)} seconds</option>`}
    ${CHOICES.map(([seconds, text]) => html`<option value=${seconds}>${text}</option>`)}</select></div>`;
}

/** The retention clock, with a choice of the retention, which counts from the upload. */
export function Retention({ session, dataset, onChange }) {
  const [change, , problem] = useAction(async (seconds) =>
    onChange(await session.json(`/v1/datasets/${dataset.dataset_id}`, { method: "PATCH", json: { retention_seconds: seconds } })));
  return html`<div class="retention"><${Clock} until=${dataset.expires_at} from=${dataset.created_at} />
    <${RetentionSelect} id="retention" label="Keep for" value=${dataset.retention_seconds} onChange=${change} /><${Failure} problem=${problem} /></div>`;
}

/** Asks for confirmation, erases, and shows the certificate. */
export function Erase({ session, path, id, what, back }) {
  const [asking, setAsking] = useState(false);
  const [certificate, setCertificate] = useState(null);
  const sure = useRef(null);
  useEffect(() => { if (asking) sure.current?.focus(); }, [asking]);
  const [erase, busy, problem] = useAction(async () => {
    await session.erase(path);
    setCertificate(await session.get(`/v1/erasure-certificates/${id}`).catch(() => ({})));
  });
  if (certificate) return html`<${Certificate} of=${certificate} id=${id} back=${back} />`;
  if (!asking) return html`<button class="danger" onClick=${() => setAsking(true)}>Delete</button>`;
  return html`<div class="notice bad ask" role="group" aria-label="Confirm"><p>${what} This cannot be undone.</p><div class="row">
    <button class="danger" ref=${sure} disabled=${busy} onClick=${erase}>${busy ? "Erasing and verifying" : "Erase"}</button>
    <button disabled=${busy} onClick=${() => setAsking(false)}>Keep</button></div><${Failure} problem=${problem} /></div>`;
}

/** Save content as a file. */
export function saveAs(content, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Verdicts on generated rows: likeness, privacy, worth, each with its remedy. */
export function Verdicts({ of }) {
  return html`<ul class="verdicts">${(of ?? []).map((one) => html`<li class=${one.level}><strong>${one.code}: ${one.level}</strong> ${one.sentence} ${one.remedy && html`<em>${one.remedy}</em>`}</li>`)}</ul>`;
}

/** The report of a model or of a generation as a file: a page to read and print, or JSON. */
export function SaveReport({ session, path, id }) {
  const [save, busy, problem] = useAction(async (type, suffix) => saveAs(await session.text(path, type), type, `report-${id}.${suffix}`));
  return html`<div class="row"><button disabled=${busy} onClick=${() => save("text/html", "html")}>Save the full report</button>
    <button class="plain" disabled=${busy} onClick=${() => save("application/json", "json")}>as JSON</button>
    <span class="quiet">One HTML file to read, print and share.</span></div><${Failure} problem=${problem} />`;
}

/** The signed summary of a model's waves as a file, to hand back with the next wave. */
export function SaveSummary({ session, path, id }) {
  const [save, busy, problem] = useAction(async () => saveAs(JSON.stringify(await session.get(path), null, 1), "application/json", `${id}.wave.json`));
  return html`<div class="row"><button disabled=${busy} onClick=${save}>Save the wave summary</button>
    <span class="quiet">Shares without rows, signed. Keep it: the next upload takes it, and says what moved.</span></div><${Failure} problem=${problem} />`;
}

export function Certificate({ of, id, back }) {
  const statement = of.statement;
  const save = () => saveAs(JSON.stringify(of, null, 2), "application/json", `erasure-${id}.json`);
  return html`<div class="notice good certificate" role="status"><p><b>Erased and verified absent.</b> ${statement
    ? `${number(statement.objects)} stored objects of ${id}; key destroyed ${statement.key_shredded_at ? when(statement.key_shredded_at) : "(none was found)"}; verified absent ${when(statement.verified_absent_at)}.`
    : `${id} is erased.`}</p><div class="row">${statement && html`<button onClick=${save}>Save the signed certificate</button>`}<a class="button" href=${back}>Back</a></div></div>`;
}

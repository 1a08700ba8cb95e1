// One generation: progress, requested and attained conditions, download, retention clock.
import { Clock, Failure, Status, number, percent, useAction } from "../ui.js";
import { html } from "../vendor/preact.js";
import { Attainment } from "./attainment.js";
import { Completion } from "./complete.js";
import { Id, useName } from "./names.js";
import { Erase, Erasing, Gone, Progress, SaveReport, Verdicts, useLoad, usePolling } from "./parts.js";
import { Preview } from "./preview.js";

export const FORMATS = [["csv", "CSV"], ["parquet", "Parquet"], ["arrow", "Arrow"], ["sav", "SPSS"],
  ["xlsx", "Excel"]];

const LARGE_ROWS = 200_000;

/** Ask where to save a large file, in browsers that can stream to disk; null for an ordinary download. */
async function chosenFile(name, rows) {
  if (rows < LARGE_ROWS || !window.showSaveFilePicker) return null;
  return window.showSaveFilePicker({ suggestedName: name });
}

function Downloads({ session, id, rows }) {
  const [save, busy, problem] = useAction(async (format) => {
    const name = `${id}.${format}`;
    let handle;
    try {
      handle = await chosenFile(name, rows);
    } catch (error) {
      if (error.name === "AbortError") return; // the dialog was closed
      throw error;
    }
    const { artifact_url: url } = await session.get(`/v1/generations/${id}`);
    const link = new URL(url);
    link.searchParams.set("format", format);
    await session.save(link.href, name, handle);
  });
  return html`<section class="card" aria-labelledby="download-title"><h2 id="download-title">Download</h2><div class="row">${FORMATS.map(([format, label]) => html`<button class=${format === "csv" ? "primary" : ""} disabled=${busy} onClick=${() => save(format)}>${label}</button>`)}
    <span class="quiet" role="status">${busy ? "Decrypting and sending" : "Each download uses a new link, valid for 15 minutes, for you alone."}</span></div><${Failure} problem=${problem} /></section>`;
}

/** How the rows compare with the real ones, and the whole report as a file. */
function Report({ session, id }) {
  const path = `/v1/generations/${id}/report`;
  const [report, problem] = useLoad(() => session.get(path), [session, id]);
  if (problem?.status === 404) return null; // older generations have no report
  if (!report) return html`<${Failure} problem=${problem} />`;
  const { fidelity, privacy } = report;
  const figure = (title, value, text) => html`<div><dt>${title}</dt><dd><strong>${value}</strong><span>${text}</span></dd></div>`;
  return html`<section aria-labelledby="report-title"><h2 id="report-title">Report</h2><dl class="figures">
    ${fidelity && figure("Single columns", `${number(fidelity.univariate.error, 2)} %`, `Error of the columns without conditions, against held-out real rows. Sampling alone gives ${number(fidelity.univariate.floor, 2)} %.`)}
    ${fidelity?.bivariate.pairs > 0 && figure("Pairs of columns", `${number(fidelity.bivariate.error, 2)} %`, `The same for pairs. Sampling alone gives ${number(fidelity.bivariate.floor, 2)} %.`)}
    ${privacy.exact_copies != null && figure("Exact copies", percent(privacy.exact_copies, 2), "Generated rows that equaled a row of the training table, at the fit.")}</dl>
    <${SaveReport} session=${session} path=${path} id=${id} /></section>`;
}

/** What the effects of do() rest on: the verdict, the assumption behind twins, and what is left open. */
function RestsOn({ of }) {
  return html`<section class="card effect" aria-labelledby="rests-title"><h2 id="rests-title">What the interventions rest on</h2>
    <p class="lead">${of.verdict?.text ?? "These rows were made before verdicts, so they do not say what they rest on."}</p>
    ${of.assumption && html`<p class="quiet">${of.assumption}</p>`}${(of.warnings ?? []).map((text) => html`<p class="notice warn">${text}</p>`)}</section>`;
}

const LITTLE = 50; // effective real rows below which rows under conditions say little

function LittleBehind({ backing }) {
  if (backing == null || backing >= LITTLE) return null;
  return html`<p class="notice warn">Only about ${backing < 1.5 ? "1 real row is" : `${number(backing)} real rows are`} behind these conditions: the rows say little. Widen the conditions.</p>`;
}

export function Generation({ session, id }) {
  const path = `/v1/generations/${encodeURIComponent(id)}`;
  const [one, problem, again] = useLoad(() => session.get(path), [session, id]);
  const name = useName(session, one?.dataset_id);
  const gone = problem?.status === 404;
  usePolling(!gone && one?.status === "deleting", again);
  if (problem) return html`<h1>Generation</h1>${gone && one?.generation_id === id && one.status === "deleting" ? html`<${Gone} />` : html`<${Failure} problem=${problem} />`}<p><a href="#/">All datasets</a></p>`;
  if (!one) return html`<p role="status">Loading</p>`;
  const dos = Object.entries(one.interventions);
  const back = `#/datasets/${one.dataset_id}/${one.given ? "complete" : "generate"}`;
  return html`<p class="crumb"><a href="#/">Datasets</a> <span aria-hidden="true">/</span> <a href=${back}>${name ?? "Table"}</a></p>
    <header class="subject"><div><h1>${one.given ? "Completion" : `${number(one.rows ?? one.row_count)} rows`}${name ? ` of ${name}` : ""}</h1><${Id} id=${id} /><p class="quiet">Seed ${one.seed}${one.counterfactual ? ", in pairs with their twins" : ""}</p></div><${Status} of=${one.status} />
      ${one.status !== "deleting" && html`<${Clock} until=${one.expires_at} from=${one.created_at} /><${Erase} session=${session} path=${path} id=${id} back=${back} what="These generated rows will be erased." />`}</header><${Erasing} status=${one.status} />
    <${Progress} session=${session} jobId=${one.job_id} status=${one.status} percent=${one.progress_percent} step="Drawing rows" onEnd=${again} />
    ${one.error && html`<div class="notice bad" role="alert"><p>${one.error.detail}</p></div>`}
    ${dos.length > 0 && html`<p class="dos">${dos.map(([name, value]) => html`<code>do(${name} = ${value})</code> `)}</p>`}
    ${one.identification && html`<${RestsOn} of=${one.identification} />`}
    ${one.verdicts?.length > 0 && html`<${Verdicts} of=${one.verdicts} />`}
    ${one.evidence && (!one.verdicts?.length || one.evidence.classes?.some((of) => of.raised)) && html`<div class=${`notice ${one.evidence.worth != null && one.evidence.for_inference ? "good" : "warn"}`}><p>${one.evidence.sentence}${one.evidence.reason ? ` ${one.evidence.reason}` : ""}</p>${one.evidence.classes?.some((of) => of.raised) && html`<ul>${one.evidence.classes.filter((of) => of.raised).map((of) => html`<li>Within ${of.level} (${of.column}) these rows claim ${number(of.claimed, 0)} respondents; ${number(of.worth, 0)} are there.</li>`)}</ul>`}</div>`}
    ${one.attainment && html`<${Attainment} of=${one.attainment} /><${LittleBehind} backing=${one.attainment.backing} />`}
    ${one.completion && html`<${Completion} of=${one.completion} />`}
    ${one.artifact_url && html`<${Downloads} session=${session} id=${id} rows=${one.rows ?? 0} />${!one.given && html`<${Preview} session=${session} id=${id} />`}`}
    ${!one.given && ["ready", "partial"].includes(one.status) && html`<${Report} session=${session} id=${id} />`}`;
}

// One dataset: status, retention clock, and tabs for schema, generation, completion, effects, sheets, segments, graph and quality.
import { ANSWERS } from "../kinds.js";
import { Dots, Failure, Status, bytes, number, percent, unfinished } from "../ui.js";
import { html } from "../vendor/preact.js";
import { VIEWS } from "./answers.js";
import { Complete } from "./complete.js";
import { Generate } from "./generate.js";
import { Graph } from "./graph.js";
import { FitAgain } from "./knowledge.js";
import { Id, titleOf, useName } from "./names.js";
import { Erase, Erasing, Gone, Progress, Retention, SaveReport, SaveSummary, Verdicts, useLoad, usePolling } from "./parts.js";
import { Pictures } from "./pictures.js";
import { Schema } from "./schema.js";

const TABS = [["", "Schema"], ["generate", "Generate"], ["complete", "Complete"], ...ANSWERS.map((one) => [one.collection, one.tab]), ["graph", "Causal graph"], ["quality", "Quality"]];
const TAB = { "": Schema, generate: Generate, complete: Complete, graph: Graph, quality: Quality };

const FIGURES = [
  ["univariate_error_percent", "Single columns", (f) => `${number(f.univariate_error_percent, 2)} %`, (f) => `Error of single columns, against held-out real rows. Sampling alone gives ${number(f.univariate_floor_percent, 2)} %.`],
  ["bivariate_error_percent", "Pairs of columns", (f) => `${number(f.bivariate_error_percent, 2)} %`, (f) => `The same for pairs. Sampling alone gives ${number(f.bivariate_floor_percent, 2)} %.`],
  ["c2st_auc", "Distinguishability", (f) => number(f.c2st_auc, 2), () => "How well a classifier distinguishes synthetic from real rows (AUC): 0.5 is not at all, 1 is always."],
  ["dcr_share", "Closer to training rows", (f) => number(f.dcr_share, 2), () => "Share of synthetic rows that are closer to a training row than to a holdout row; 0.5 means no memorization."],
  ["membership_gain", "Told by own values", (f) => number(f.membership_gain, 2), () => "What somebody who has the rows alone gains on people in the table beyond others, by their own numbers and words: 0 is nothing, 0.5 all. The limit is 0.04."],
  ["exact_copies", "Exact copies", (f) => percent(f.exact_copies, 2), (f) => `Synthetic rows that equal a real row. Among real rows it is ${percent(f.exact_base, 2)}.`],
];

function Quality({ session, dataset }) {
  const figures = dataset.model?.figures ?? {};
  const path = `/v1/datasets/${dataset.dataset_id}/report`;
  const shown = FIGURES.filter(([name]) => figures[name] != null);
  return html`<section aria-labelledby="quality-title"><h2 id="quality-title">Likeness, privacy, worth</h2>
    <${Verdicts} of=${dataset.model?.verdicts} />
    ${shown.length ? html`<dl class="figures">${shown.map(([, title, value, text]) => html`<div><dt>${title}</dt><dd><strong>${value(figures)}</strong><span>${text(figures)}</span></dd></div>`)}</dl>`
      : html`<p class="empty">The dataset has too few rows to measure the model.</p>`}
    <${SaveReport} session=${session} path=${path} id=${dataset.dataset_id} />
    <${SaveSummary} session=${session} path=${`/v1/datasets/${dataset.dataset_id}/summary`} id=${dataset.dataset_id} /></section>
    <${Pictures} session=${session} path=${path} />`;
}

export function Dataset({ session, id, tab }) {
  const path = `/v1/datasets/${encodeURIComponent(id)}`;
  const [dataset, problem, again] = useLoad(() => session.get(path), [session, id]);
  const name = useName(session, dataset && id, dataset);
  const gone = problem?.status === 404;
  usePolling(!gone && dataset && unfinished(dataset.status) && (dataset.rows == null || dataset.status === "deleting"), again);
  const [job] = useLoad(async () => dataset?.status === "failed" ? session.get(`/v1/jobs/${dataset.job_id}`) : null, [dataset?.status]);
  if (problem) return html`<h1>Dataset</h1>${gone && dataset?.dataset_id === id && dataset.status === "deleting" ? html`<${Gone} />` : html`<${Failure} problem=${problem} />`}<p><a href="#/">All datasets</a></p>`;
  if (!dataset) return html`<p role="status">Loading</p>`;
  const Tab = TAB[tab] ?? VIEWS[tab]?.[0] ?? Schema;
  const link = ([key, label]) => html`<a href=${`#/datasets/${id}${key && `/${key}`}`} aria-current=${key === tab ? "page" : null}>${label}</a>`;
  return html`<p class="crumb"><a href="#/">Datasets</a></p>
    <header class="subject"><div><h1>${titleOf(name, dataset)}</h1><${Id} id=${id} /><p class="quiet">${dataset.rows == null ? bytes(dataset.bytes) : `${number(dataset.rows)} rows, ${dataset.columns} columns`}${dataset.model?.family ? `, model family ${dataset.model.family}` : ""}</p>
      ${dataset.model?.verdicts?.length > 0 && html`<p class="quiet"><${Dots} verdicts=${dataset.model.verdicts} /><a href=${`#/datasets/${id}/quality`}>${dataset.model.verdicts.map((one) => `${one.code} ${one.level}`).join(", ")}</a></p>`}</div>
      <${Status} of=${dataset.status} />
      ${dataset.status !== "deleting" && html`<${Retention} session=${session} dataset=${dataset} onChange=${again} />
      <${Erase} session=${session} path=${path} id=${id} back="#/" what="The dataset, its model and everything generated from it will be erased." />`}</header><${Erasing} status=${dataset.status} />
    <${Progress} session=${session} jobId=${dataset.job_id} status=${dataset.status} step=${dataset.rows == null ? "Reading the table" : "Fitting the model"} onEnd=${again} />
    ${job?.error && html`<div class="notice bad" role="alert"><p>${job.error.detail}</p></div>`}
    ${dataset.status === "failed" && dataset.rows != null && html`<${FitAgain} session=${session} dataset=${dataset} onFit=${again} />`}
    ${dataset.status === "held" && html`<${Schema} session=${session} dataset=${dataset} onFit=${again} />`}
    ${job?.error?.errors?.length > 0 && html`<ul>${job.error.errors.map((one) => html`<li>${one.pointer}: ${one.detail}</li>`)}</ul>`}
    ${dataset.status === "ready" && dataset.purpose === "given" && html`<p class="notice">These rows are given, and have no model. Complete them under Complete of the table whose model fills.</p>`}
    ${dataset.status === "ready" && dataset.purpose !== "given" && html`<nav class="tabs" aria-label="Dataset">${TABS.map(link)}</nav><${Tab} session=${session} dataset=${dataset} onFit=${again} />`}`;
}

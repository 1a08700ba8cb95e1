// The live part of the custody map: the caller's datasets, what is stored of each, and when it is erased.
import { Clock, Failure, SignIn, Status, bytes, number, useAction, useSession, when } from "./ui.js";
import { titleOf, useName } from "./console/names.js";
import { ANSWERS } from "./kinds.js";
import { html, render, useEffect, useState } from "./vendor/preact.js";

const REFRESH_SECONDS = 5;

function stagesOf(dataset, generations) {
  const ready = dataset.status === "ready";
  const cleaned = dataset.rows != null;
  const clock = html`<${Clock} until=${dataset.expires_at} from=${dataset.created_at} />`;
  const items = [
    { name: "Raw upload", text: cleaned ? "Erased after cleaning" : `${bytes(dataset.bytes)}, encrypted, being cleaned`, gone: cleaned },
    { name: "Cleaned table and schema", text: cleaned ? `${number(dataset.rows)} rows, ${dataset.columns} columns` : "Not stored yet", clock: cleaned && clock, gone: !cleaned },
    { name: "Model, graph, report", text: ready ? `Fitted (${dataset.model?.family ?? "model"})` : dataset.status === "failed" ? "None: the job failed" : "Being fitted", clock: ready && clock, gone: !ready },
  ];
  return items.concat(rowsOf(generations));
}

function rowsOf(generations) {
  return generations.map((one) => ({
    name: "Generated rows",
    text: one.rows == null ? `${number(one.row_count)} rows requested` : `${number(one.rows)} rows`,
    clock: html`<${Clock} until=${one.expires_at} from=${one.created_at} />`,
    status: one.status,
  }));
}

/** Estimates and answer sheets; the lists of the API do not say when they expire. */
function answersOf(answers) {
  return answers.map((one) => ({ name: one.name, text: `Asked ${when(one.created_at)}`, status: one.status }));
}

async function answered(session) {
  const lists = await Promise.all(ANSWERS.map((kind) => session.list(`/v1/${kind.collection}?limit=100`)));
  return lists.flatMap((items, at) => items.map((one) => ({ ...one, name: ANSWERS[at].title })));
}

function Kept({ session, id, dataset, status, items }) {
  const name = useName(session, id, dataset ?? { rows: null });
  return html`<article class="kept-now"><header><h3>${name ?? (dataset ? titleOf(name, dataset) : "Expired table")}</h3><code class="quiet">${id}</code><${Status} of=${status} /></header>
    <ul>${items.map((item) => html`<li class=${item.gone ? "gone" : ""}><b>${item.name}</b>
      <span>${item.text}</span>${item.status && item.status !== "ready" && html`<${Status} of=${item.status} />`}${item.clock || null}</li>`)}</ul></article>`;
}

function showCounts({ datasets, generations, answers }) {
  const models = datasets.filter((one) => one.status === "ready").length;
  const counts = { dataset: datasets.length, model: models, generation: generations.length + answers.length };
  for (const [key, count] of Object.entries(counts)) {
    const card = document.querySelector(`[data-store="${key}"]`);
    let line = card.querySelector(".now");
    if (!line) card.append(line = Object.assign(document.createElement("p"), { className: "now" }));
    line.textContent = `Stored now: ${count}`;
  }
}

function Live() {
  const { session, loading, notice, enter } = useSession();
  const [state, setState] = useState(null);
  const [load, , problem] = useAction(async () => {
    const [datasets, generations, answers] = await Promise.all([session.list("/v1/datasets?limit=100"), session.list("/v1/generations?limit=100"), answered(session)]);
    showCounts({ datasets, generations, answers });
    setState({ datasets, generations, answers });
  }, true);
  useEffect(() => {
    setState(null);
    if (!session) return undefined;
    load();
    const timer = setInterval(load, REFRESH_SECONDS * 1000);
    return () => clearInterval(timer);
  }, [session]);
  if (loading) return html`<p role="status">Loading</p>`;
  if (!session) return html`<p class="lede">Sign in to see what is stored of your data and when it is erased.</p><${SignIn} onSession=${enter} notice=${notice} />`;
  if (problem) return html`<${Failure} problem=${problem} />`;
  if (!state) return html`<p role="status">Loading</p>`;
  const ids = new Set([...state.datasets, ...state.generations, ...state.answers].map((one) => one.dataset_id));
  if (!ids.size) return html`<p class="notice">Nothing is stored: no dataset, no model, no generated rows.</p>`;
  return html`<div class="kept-list">${[...ids].map((id) => {
    const dataset = state.datasets.find((one) => one.dataset_id === id);
    const generations = state.generations.filter((one) => one.dataset_id === id);
    const answers = answersOf(state.answers.filter((one) => one.dataset_id === id));
    // rows and answers outlive a dataset that expired
    const items = [...(dataset ? stagesOf(dataset, generations) : rowsOf(generations)), ...answers];
    return html`<${Kept} key=${id} session=${session} dataset=${dataset} id=${id} status=${dataset?.status ?? "expired"} items=${items} />`;
  })}</div>`;
}

export const mountLive = (root) => render(html`<${Live} />`, root);

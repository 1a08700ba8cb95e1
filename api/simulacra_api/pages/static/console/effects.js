// Causal effects: ask with what came first, and show the verdict before any number.
import { Failure, Status, number, useAction } from "../ui.js";
import { html, useMemo, useState } from "../vendor/preact.js";
import { Answer } from "./answer.js";
import { Blocks, useUsualOrder } from "./blocks.js";
import { ColumnSelect, Value, typical, usableColumns } from "./controls.js";
import { Erase, Progress, useLoad } from "./parts.js";
import { useSchema } from "./schema.js";

/** Whether a column counts by one of its levels. */
const isCounted = (column) => column && !["integer", "numeric", "boolean"].includes(column.kind);
const PLACES = [["", "Not stated"], ["before", "Before"], ["after", "After"], ["dont_know", "Don't know"]];
const POPULATIONS = [["all", "All"], ["treated", "Those who have the value"], ["overlap", "Those who could have had either"]];

/** Which columns were already so before the treatment was settled: one choice per column. */
function Order({ treatment, outcome, columns, places, onChange }) {
  const set = (name) => (event) => onChange({ ...places, [name]: event.target.value });
  const stated = columns.filter((name) => places[name]).length;
  const setRest = (place) => onChange({ ...Object.fromEntries(columns.map((name) => [name, place])), ...Object.fromEntries(Object.entries(places).filter(([, known]) => known)) });
  return html`<details class="order"><summary>Which of these were already so before ${treatment} was settled?${stated > 0 && ` ${stated} stated`}</summary>
    <p class="quiet">Before: the answer is adjusted for it. After: it never is. Don't know: the answer covers both. State ${outcome} as after, if ${treatment} comes first.</p>
    <ul>${columns.map((name, at) => html`<li key=${name}><label for=${`place-${at}`}>${name}${name === outcome && " (outcome)"}</label>
      <select id=${`place-${at}`} value=${places[name] ?? ""} onChange=${set(name)}>${PLACES.filter(([place]) => place !== "before" || name !== outcome).map(([place, text]) => html`<option value=${place}>${text}</option>`)}</select></li>`)}</ul>
    <div class="row"><button type="button" onClick=${() => setRest("after")}>The others: after</button><button type="button" onClick=${() => setRest("dont_know")}>The others: don't know</button><button type="button" class="plain" onClick=${() => onChange({})}>Clear</button></div></details>`;
}

function Ask({ session, dataset, schema, onMade }) {
  const [blocks, setBlocks] = useState([]);
  const usualOrder = useUsualOrder(session, dataset);
  const usable = useMemo(() => usableColumns(schema), [schema]);
  const learned = useMemo(() => schema.columns.filter((column) => column.learned).map((column) => column.name), [schema]);
  const [treatment, setTreatment] = useState(usable[0]?.name);
  const [values, setValues] = useState({});
  const [outcome, setOutcome] = useState(usable[1]?.name);
  const [level, setLevel] = useState("");
  const [by, setBy] = useState(["", ""]);
  const [population, setPopulation] = useState("all");
  const [places, setPlaces] = useState({});
  const [instrument, setInstrument] = useState("");
  const [moverLevel, setMoverLevel] = useState("");
  const [wave, setWave] = useState("");
  const [since, setSince] = useState();
  const column = (name) => usable.find((one) => one.name === name);
  const treated = column(treatment);
  const shown = column(outcome);
  const others = usable.filter((one) => one.name !== treatment && one.name !== outcome);
  const isOther = (name) => others.some((one) => one.name === name);
  const waves = others.filter((one) => one.role === "wave" || ["integer", "numeric", "ordinal"].includes(one.kind));
  const first = since ?? (column(wave)?.levels?.at(-1)?.value ?? column(wave)?.maximum);
  const counts = isCounted(shown);
  const mover = others.find((one) => one.name === instrument);
  const named = isCounted(mover) ? `${instrument}=${moverLevel || typical(mover)}` : instrument;
  const value = values.value ?? (treated && (treated.maximum ?? treated.levels[0].value));
  const baseline = values.baseline ?? (treated && (treated.minimum ?? treated.levels[1]?.value ?? typical(treated)));
  const order = [outcome, ...learned.filter((name) => name !== outcome && name !== treatment)];
  const listed = (place) => order.filter((name) => places[name] === place && !(place === "before" && name === outcome));
  const [ask, busy, problem] = useAction(async () => onMade(await session.post(`/v1/datasets/${dataset.dataset_id}/effects`, {
    treatment, value, baseline, outcome, population, before: listed("before"), after: listed("after"), dont_know: listed("dont_know"), blocks: blocks.filter((block) => block.length),
    ...(counts && { outcome_level: level || typical(shown) }), by: by.filter((name, at) => name && by.indexOf(name) === at),
    ...(mover && { instrument: named }), ...(isOther(wave) && { parallel_trends: { [wave]: first } }),
  })));
  if (usable.length < 2) return html`<p class="empty">An effect needs two learned columns.</p>`;
  return html`<form class="card effect-form" onSubmit=${(event) => { event.preventDefault(); ask(); }}>
    <${ColumnSelect} id="treatment" label="Treatment" columns=${usable} value=${treatment} onChange=${(name) => { setTreatment(name); setValues({}); setPlaces({}); }} />
    <${Value} id="value" label="Value" column=${treated} value=${value} onChange=${(next) => setValues({ ...values, value: next })} />
    <${Value} id="baseline" label="Baseline" column=${treated} value=${baseline} onChange=${(next) => setValues({ ...values, baseline: next })} />
    <${ColumnSelect} id="outcome" label="Outcome" columns=${usable.filter((one) => one.name !== treatment)} value=${outcome} onChange=${(name) => { setOutcome(name); setLevel(""); }} />
    ${counts && html`<${Value} id="level" label="Level of the outcome" column=${shown} value=${level || typical(shown)} onChange=${setLevel} />`}
    ${["Groups by", "And by"].map((label, at) => html`<${ColumnSelect} id=${`by-${at}`} label=${label} columns=${usable.filter((one) => one.name !== treatment && one.name !== outcome)} value=${by[at]} none=${at ? "No second column" : "All rows together"} onChange=${(name) => setBy(by.map((one, k) => (k === at ? name : one)))} />`)}
    <div class="field"><label for="population">Whose effect</label><select id="population" value=${population} onChange=${(event) => setPopulation(event.target.value)}>${POPULATIONS.map(([key, text]) => html`<option value=${key}>${text}</option>`)}</select></div>
    <details class="order"><summary>Or state an instrument or parallel trends</summary>
      <p class="quiet">An instrument is as good as random given the columns before, and moves the outcome only through the treatment. Parallel trends: without the treatment the outcome of both groups, value and baseline, would have changed alike from wave to wave.</p>
      <div class="effect-form"><${ColumnSelect} id="instrument" label="Instrument" columns=${others} value=${instrument} none="No instrument" onChange=${(name) => { setInstrument(name); setMoverLevel(""); }} />
      ${isCounted(mover) && html`<${Value} id="instrument-level" label="Level of the instrument" column=${mover} value=${moverLevel || typical(mover)} onChange=${setMoverLevel} />`}
      <${ColumnSelect} id="trend-wave" label="Waves" columns=${waves} value=${wave} none="No waves" onChange=${(name) => { setWave(name); setSince(undefined); }} />
      ${wave && html`<${Value} id="since" label="First wave with the treatment" column=${column(wave)} value=${first} onChange=${setSince} />`}</div></details>
    <${Order} treatment=${treatment} outcome=${outcome} columns=${order} places=${places} onChange=${setPlaces} />
    <details class="order"><summary>Or place all columns in blocks</summary><${Blocks} id="blocks" columns=${learned} blocks=${blocks} usual=${usualOrder} onChange=${setBlocks} /></details>
    <div><button class="primary" disabled=${busy}>${busy ? "Sending" : "Estimate"}</button></div><${Failure} problem=${problem} /></form>`;
}

export function Effect({ session, id, back, onMade }) {
  const path = `/v1/effects/${id}`;
  const [found, problem, again] = useLoad(() => session.get(path), [session, id]);
  if (problem?.status === 404) return null;
  if (!found) return html`<li class="card"><${Failure} problem=${problem} />${!problem && html`<p role="status">Loading</p>`}</li>`;
  const shown = (value) => typeof value === "number" ? number(value, 4) : value;
  return html`<li class="card effect"><div class="head"><h3>${found.treatment}: ${shown(found.value)} instead of ${shown(found.baseline)}, on ${found.outcome}</h3>${found.status !== "ready" && html`<${Status} of=${found.status} />`}</div>
    <${Progress} session=${session} jobId=${found.job_id} status=${found.status} onEnd=${again} />
    ${found.error && html`<div class="notice bad" role="alert"><p>${found.error.detail}</p></div>`}${found.status === "ready" && html`<${Answer} session=${session} found=${found} onMade=${onMade} />`}
    <${Erase} session=${session} path=${path} id=${id} back=${back ?? `#/datasets/${found.dataset_id}/effects`} what="This estimate will be erased." /></li>`;
}

export function Effects({ session, dataset }) {
  const [schema, problem] = useSchema(session, dataset);
  const [effects, trouble, again] = useLoad(() => session.list(`/v1/effects?limit=100&dataset_id=${dataset.dataset_id}`), [session, dataset.dataset_id]);
  return html`<section aria-labelledby="effects-title"><h2 id="effects-title">Causal effects</h2><p class="quiet lead">The average outcome if every row had the value, minus the average if every row had the baseline. Data alone rarely tell what comes first: say what you know.</p><${Failure} problem=${problem ?? trouble} />
    ${schema && html`<${Ask} session=${session} dataset=${dataset} schema=${schema} onMade=${again} />`}
    ${effects && (effects.length ? html`<ul class="stack">${effects.map((one) => html`<${Effect} key=${one.effect_id} session=${session} id=${one.effect_id} onMade=${again} />`)}</ul>` : html`<p class="empty">No effect estimates yet.</p>`)}</section>`;
}

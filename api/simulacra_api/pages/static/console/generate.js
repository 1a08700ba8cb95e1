// Request rows: conditions as sliders, do(), a sample at once, then the generation; below, earlier generations.
import { Clock, Failure, Status, number, unfinished, useAction, when } from "../ui.js";
import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { Attainment, askedOf } from "./attainment.js";
import { ColumnSelect, Condition, Value, conditionsOf, initial, typical, usableColumns } from "./controls.js";
import { useLoad, usePolling } from "./parts.js";
import { Quotas } from "./quotas.js";
import { useSchema } from "./schema.js";

const PROBE_ROWS = 8;
const QUIET_MS = 700;
const ENOUGH_ROWS = 300; // effective real rows below which a sample is called thin

/** Sample a few rows when the request has not changed for a moment; one sample at a time. */
function useProbe(session, datasetId, question) {
  const [sample, setSample] = useState(null);
  const [run, busy, problem] = useAction(async (asked) => setSample(await session.post(`/v1/datasets/${datasetId}/probe`, { row_count: PROBE_ROWS, ...asked })));
  const wanted = JSON.stringify(question);
  const sent = useRef("");
  useEffect(() => {
    if (!question || busy || sent.current === wanted) return undefined;
    const timer = setTimeout(() => { sent.current = wanted; run(question); }, QUIET_MS);
    return () => clearTimeout(timer);
  }, [wanted, busy]);
  return [problem ? null : sample, busy || (question && sent.current !== wanted), problem];
}

function Feasibility({ sample }) {
  const found = sample.attainment;
  if (!found) return html`<p class="notice">No conditions: rows follow the learned distribution.</p>`;
  const thin = found.backing != null && found.backing < ENOUGH_ROWS;
  return html`<div class=${`notice ${sample.feasibility.status === "exact" && !thin ? "good" : "warn"}`}><p><b>${sample.feasibility.status === "exact" ? "These conditions can be met exactly." : "These conditions can only be met in part."}</b>
    ${found.backing != null && ` Effective number of your real rows behind them: about ${number(found.backing)}${thin ? ", which is low" : ""}.`}
    ${found.kl_nats != null && ` The requested distribution is ${number(found.kl_nats, 2)} nats away from the learned one.`}</p></div>`;
}

function Sample({ sample, busy, problem }) {
  const columns = sample?.rows.length ? Object.keys(sample.rows[0]) : [];
  return html`<section class="card sample" aria-labelledby="sample-title" aria-busy=${busy ? "true" : "false"}><div class="head"><h3 id="sample-title">A sample</h3><span class="quiet" role="status">${busy ? "Drawing" : sample ? `${sample.row_count} rows in ${number(sample.seconds, 1)} s, not stored` : ""}</span></div>
    <${Failure} problem=${problem} />
    ${sample && html`<${Feasibility} sample=${sample} />${[sample.verdict?.text, sample.assumption, ...(sample.warnings ?? [])].filter(Boolean).map((text) => html`<p class="notice warn">${text}</p>`)}<div class="scroll" tabindex="0" role="region" aria-label="Sampled rows"><table><thead><tr>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${sample.rows.map((row) => html`<tr>${columns.map((name) => html`<td>${row[name] ?? html`<span class="quiet">missing</span>`}</td>`)}</tr>`)}</tbody></table></div>`}</section>`;
}

function Form({ session, dataset, schema, onMade }) {
  const usable = useMemo(() => usableColumns(schema), [schema]);
  const columns = useMemo(() => new Map(usable.map((column) => [column.name, column])), [usable]);
  const [conditions, setConditions] = useState({});
  const [quotas, setQuotas] = useState([]);
  const [interventions, setInterventions] = useState({});
  const [rows, setRows] = useState(1000);
  const [linked, setLinked] = useState(false);
  const [seed, setSeed] = useState("");
  const [twins, setTwins] = useState(false);
  const rest = usable.filter((column) => !(column.name in conditions) && !(column.name in interventions));
  const pairs = twins && Object.keys(interventions).length > 0;
  const question = { conditions: { ...conditionsOf(conditions, columns), ...(quotas.length && { quotas }) }, interventions, ...(pairs && { counterfactual: true }) };
  const [sample, drawing, refused] = useProbe(session, dataset.dataset_id, question);
  const [generate, busy, problem] = useAction(async () => onMade(await session.post(`/v1/datasets/${dataset.dataset_id}/generations`, { [linked ? "persons" : "row_count"]: rows, ...(seed !== "" && { seed: Number(seed) }), ...question })));
  const without = (all, name) => Object.fromEntries(Object.entries(all).filter(([key]) => key !== name));
  const begin = (set, make) => (name) => name && set((all) => ({ ...all, [name]: make(columns.get(name)) }));
  return html`<div class="ask-rows"><form class="builder" onSubmit=${(event) => { event.preventDefault(); generate(); }}>
    <h2>Conditions</h2>
    ${Object.entries(conditions).map(([name, value]) => html`<${Condition} key=${name} column=${columns.get(name)} value=${value}
      onChange=${(next) => setConditions({ ...conditions, [name]: next })} onRemove=${() => setConditions(without(conditions, name))} />`)}
    <${ColumnSelect} id="add-condition" label="Add a condition on" columns=${rest} value="" none="Choose a column" onChange=${begin(setConditions, initial)} />
    <${Quotas} schema=${schema} value=${quotas} onChange=${setQuotas} />
    <h2>Interventions</h2><p class="quiet">do(column = value) fixes the column for everyone and recomputes the columns it affects.</p>
    ${Object.entries(interventions).map(([name, value]) => html`<div class="row do" key=${name}><${Value} id=${`do-${name}`} label=${`do(${name})`} column=${columns.get(name)} value=${value} onChange=${(next) => setInterventions({ ...interventions, [name]: next })} />
      <button type="button" class="plain" aria-label=${`Remove do(${name})`} onClick=${() => setInterventions(without(interventions, name))}>Remove</button></div>`)}
    <${ColumnSelect} id="add-do" label="Set a column" columns=${rest} value="" none="Choose a column" onChange=${begin(setInterventions, typical)} />
    ${Object.keys(interventions).length > 0 && html`<label class="check"><input type="checkbox" checked=${twins} onChange=${(event) => setTwins(event.target.checked)} /> Counterfactual: each row, and its twin under the interventions</label>`}
    <div class="row go"><div class="field"><label for="rows">${linked ? "Persons" : "Rows"}</label><input id="rows" type="number" min="1" required value=${rows} onInput=${(event) => setRows(Number(event.target.value))} /></div>
      <div class="field"><label for="seed">Seed</label><input id="seed" type="number" min="0" step="1" placeholder="drawn" value=${seed} onInput=${(event) => setSeed(event.target.value)} /></div>
      ${schema.persons && html`<label class="check"><input type="checkbox" checked=${linked} onChange=${(event) => setLinked(event.target.checked)} /> Persons with their histories</label>`}
      <button class="primary" disabled=${busy}>${busy ? "Sending" : "Generate"}</button></div><${Failure} problem=${problem} /></form>
    <div><${Sample} sample=${sample} busy=${drawing} problem=${refused} />${sample?.attainment && html`<${Attainment} of=${sample.attainment} />`}</div></div>`;
}

export function Made({ generations }) {
  if (!generations?.length) return html`<p class="empty">No generated tables yet.</p>`;
  return html`<ul class="items">${generations.map((one) => html`<li key=${one.generation_id}><a class="item" href=${`#/generations/${one.generation_id}`}><span><span class="name">${number(one.rows ?? one.row_count)} rows</span><span class="quiet asked">${askedOf(one)}</span><span class="quiet id">${one.generation_id}</span></span><${Status} of=${one.status} />
    <span class="quiet">${one.created_at ? when(one.created_at) : ""}</span><${Clock} until=${one.expires_at} from=${one.created_at} /></a></li>`)}</ul>`;
}

export function Generate({ session, dataset }) {
  const [schema, problem] = useSchema(session, dataset);
  const [generations, trouble, again] = useLoad(() => session.list(`/v1/generations?limit=100&dataset_id=${dataset.dataset_id}`), [session, dataset.dataset_id]);
  const working = generations?.some((one) => unfinished(one.status));
  usePolling(working, again);
  return html`<${Failure} problem=${problem ?? trouble} />
    ${schema && html`<${Form} session=${session} dataset=${dataset} schema=${schema} onMade=${(made) => { location.hash = `#/generations/${made.generation_id}`; }} />`}
    <section aria-labelledby="made-title"><h2 id="made-title">Generated rows</h2><${Made} generations=${generations?.filter((one) => !one.given)} /></section>`;
}

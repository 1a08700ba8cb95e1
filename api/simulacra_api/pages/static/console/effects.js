// Causal effects: request an estimate, optionally by segment; show intervals and support.
import { Failure, Status, number, percent, useAction } from "../ui.js";
import { html, useMemo, useState } from "../vendor/preact.js";
import { ColumnSelect, Value, typical, usableColumns } from "./controls.js";
import { Erase, Progress, useLoad } from "./parts.js";
import { useSchema } from "./schema.js";

const WIDTH = 260;

function Ask({ session, dataset, schema, onMade }) {
  const usable = useMemo(() => usableColumns(schema), [schema]);
  const [treatment, setTreatment] = useState(usable[0]?.name);
  const [values, setValues] = useState({});
  const [outcome, setOutcome] = useState(usable[1]?.name);
  const [level, setLevel] = useState("");
  const [segment, setSegment] = useState("");
  const column = (name) => usable.find((one) => one.name === name);
  const treated = column(treatment);
  const shown = column(outcome);
  const counts = shown && !["integer", "numeric", "boolean"].includes(shown.kind);
  const value = values.value ?? (treated && (treated.maximum ?? treated.levels[0].value));
  const baseline = values.baseline ?? (treated && (treated.minimum ?? treated.levels[1]?.value ?? typical(treated)));
  const [ask, busy, problem] = useAction(async () => onMade(await session.post(`/v1/datasets/${dataset.dataset_id}/effects`, {
    treatment, value, baseline, outcome, ...(counts && { outcome_level: level || typical(shown) }), ...(segment && { segment }),
  })));
  if (usable.length < 2) return html`<p class="empty">An effect needs two learned columns.</p>`;
  return html`<form class="card effect-form" onSubmit=${(event) => { event.preventDefault(); ask(); }}>
    <${ColumnSelect} id="treatment" label="Treatment" columns=${usable} value=${treatment} onChange=${(name) => { setTreatment(name); setValues({}); }} />
    <${Value} id="value" label="Value" column=${treated} value=${value} onChange=${(next) => setValues({ ...values, value: next })} />
    <${Value} id="baseline" label="Baseline" column=${treated} value=${baseline} onChange=${(next) => setValues({ ...values, baseline: next })} />
    <${ColumnSelect} id="outcome" label="Outcome" columns=${usable.filter((one) => one.name !== treatment)} value=${outcome} onChange=${(name) => { setOutcome(name); setLevel(""); }} />
    ${counts && html`<${Value} id="level" label="Level of the outcome" column=${shown} value=${level || typical(shown)} onChange=${setLevel} />`}
    <${ColumnSelect} id="segment" label="Segment" columns=${usable.filter((one) => one.name !== treatment && one.name !== outcome)} value=${segment} none="All rows together" onChange=${setSegment} />
    <div><button class="primary" disabled=${busy}>${busy ? "Sending" : "Estimate"}</button></div><${Failure} problem=${problem} /></form>`;
}

function Interval({ of, low, high }) {
  const at = (value) => 8 + ((value - low) / (high - low || 1)) * (WIDTH - 16);
  return html`<svg class="interval" viewBox=${`0 0 ${WIDTH} 18`} width=${WIDTH} height="18" aria-hidden="true"><path class="zero" d=${`M${at(0)} 0V18`} /><path class="span" d=${`M${at(of.low)} 9H${at(of.high)}`} /><circle cx=${at(of.effect)} cy="9" r="5" /></svg>`;
}

function Figures({ found }) {
  const rows = [{ ...found.ace, level: "All rows" }, ...(found.segments ?? [])];
  const low = Math.min(0, ...rows.map((row) => row.low));
  const high = Math.max(0, ...rows.map((row) => row.high));
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Effect"><table class="effects"><caption class="unseen">Effect with 95 % interval, rows and support</caption>
    <thead><tr><th scope="col">${found.segment ?? "Rows"}</th><th scope="col"><span class="unseen">Chart</span></th><th scope="col">Effect</th><th scope="col">95 % interval</th><th scope="col">Rows</th><th scope="col">Support</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr><th scope="row">${row.level}</th><td><${Interval} of=${row} low=${low} high=${high} /></td><td>${number(row.effect, 3, true)}</td><td>${number(row.low, 3, true)} to ${number(row.high, 3, true)}</td><td>${number(row.rows)}</td><td>${percent(row.support, 0)}</td></tr>`)}</tbody></table></div>
    <p class="quiet">${found.identified ? "The causal graph determines this effect" : "The causal graph does not determine this effect: the interval covers every graph that fits the data"}${found.adjustment?.length ? `, adjusted for ${found.adjustment.join(", ")}` : ""}. The plain difference of averages is ${number(found.naive, 3)}.</p>
    ${(found.warnings ?? []).map((text) => html`<p class="notice warn">${text}</p>`)}`;
}

export function Effect({ session, id, back }) {
  const path = `/v1/effects/${id}`;
  const [found, problem, again] = useLoad(() => session.get(path), [session, id]);
  if (problem?.status === 404) return null;
  if (!found) return html`<li class="card"><${Failure} problem=${problem} />${!problem && html`<p role="status">Loading</p>`}</li>`;
  return html`<li class="card effect"><div class="head"><h3>${found.treatment}: ${found.value} instead of ${found.baseline}, on ${found.outcome}</h3>${found.status !== "ready" && html`<${Status} of=${found.status} />`}</div>
    <${Progress} session=${session} jobId=${found.job_id} status=${found.status} onEnd=${again} />
    ${found.error && html`<div class="notice bad" role="alert"><p>${found.error.detail}</p></div>`}${found.ace && html`<${Figures} found=${found} />`}
    <${Erase} session=${session} path=${path} id=${id} back=${back ?? `#/datasets/${found.dataset_id}/effects`} what="This estimate will be erased." /></li>`;
}

export function Effects({ session, dataset }) {
  const [schema, problem] = useSchema(session, dataset);
  const [effects, trouble, again] = useLoad(() => session.list(`/v1/effects?limit=100&dataset_id=${dataset.dataset_id}`), [session, dataset.dataset_id]);
  return html`<section aria-labelledby="effects-title"><h2 id="effects-title">Causal effects</h2><p class="quiet lead">The average outcome if every row had the value, minus the average if every row had the baseline.</p><${Failure} problem=${problem ?? trouble} />
    ${schema && html`<${Ask} session=${session} dataset=${dataset} schema=${schema} onMade=${again} />`}
    ${effects && (effects.length ? html`<ul class="stack">${effects.map((one) => html`<${Effect} key=${one.effect_id} session=${session} id=${one.effect_id} />`)}</ul>` : html`<p class="empty">No effect estimates yet.</p>`)}</section>`;
}

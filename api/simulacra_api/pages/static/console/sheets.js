// Answer sheets: ask what changes an outcome, show what may be claimed first, save the appendix.
import { Failure, Status, number, useAction, useFocusAfterRemoval } from "../ui.js";
import { html, useMemo, useState } from "../vendor/preact.js";
import { ColumnSelect, Value, twoValues, typical, usableColumns, usual } from "./controls.js";
import { Blocks, useUsualOrder } from "./blocks.js";
import { Chips, Name, without } from "./chips.js";
import { Erase, Progress, useLoad } from "./parts.js";
import { useSchema } from "./schema.js";

const PLACES = [["", "A lever"], ["before", "Before the levers"], ["after", "After the levers"], ["dont_know", "Don't know"]];

/** Which columns came before the levers and which after; all others are compared, or the levers that are named. */
function Order({ outcome, columns, levers, places, onChange }) {
  const set = (name) => (event) => onChange({ ...places, [name]: event.target.value });
  const name = (column) => column === outcome ? `${column} (outcome)` : column;
  const compared = (column) => column !== outcome && (!levers.length || levers.some((one) => one.column === column));
  const choices = (column) => PLACES.filter(([place]) => column !== outcome || place === "after" || place === "").map(([place, text]) => [place, place || compared(column) ? text : "Not stated"]);
  return html`<details class="order"><summary>Which of these were already so before any lever, and which came after?</summary>
    <p class="quiet">State ${outcome} as after, if the levers come first. Nothing is ranked while the order is open.</p>
    <ul>${columns.map((column, at) => html`<li key=${column}><label for=${`sheet-place-${at}`}>${name(column)}</label>
      <select id=${`sheet-place-${at}`} value=${places[column] ?? ""} onChange=${set(column)}>${choices(column).map(([place, text]) => html`<option value=${place}>${text}</option>`)}</select></li>`)}</ul></details>`;
}

const SIDES = [["before", "Before it"], ["after", "After it"]];

/** Which values of a lever are compared: those that the service chooses, or two of one's own. */
function Values({ at, lever, column, onChange }) {
  const own = lever.value !== undefined;
  const choose = (event) => {
    const [value, baseline] = event.target.value ? twoValues(column) : [];
    onChange({ ...lever, value, baseline });
  };
  return html`<div class="values"><div class="field"><label for=${`lever-${at}-which`}>Values to compare</label><select id=${`lever-${at}-which`} value=${own ? "own" : ""} onChange=${choose}><option value="">${usual(column)}</option><option value="own">Two of my own</option></select></div>
    ${own && html`<${Value} id=${`lever-${at}-value`} label="Value" column=${column} value=${lever.value} onChange=${(value) => onChange({ ...lever, value })} />
      <${Value} id=${`lever-${at}-baseline`} label="Instead of" column=${column} value=${lever.baseline} onChange=${(baseline) => onChange({ ...lever, baseline })} />`}</div>`;
}

/** One lever with its values and the columns that came before and after it, beside those stated for all levers. */
function Lever({ at, lever, column, columns, outcome, onChange, onRemove }) {
  const free = columns.filter((name) => name !== lever.column && !lever.before.includes(name) && !lever.after.includes(name));
  const choices = { before: free.filter((name) => name !== outcome), after: free };
  return html`<fieldset class="tier"><legend>${lever.column}</legend><button type="button" class="plain remove" aria-label=${`Remove the lever ${lever.column}`} onClick=${onRemove}>Remove</button>
    <${Values} at=${at} lever=${lever} column=${column} onChange=${onChange} />
    ${SIDES.map(([side, label]) => html`<div key=${side}><${Name} id=${`lever-${at}-${side}`} label=${label} columns=${choices[side]} value="" none="Add a column" onChange=${(name) => name && onChange({ ...lever, [side]: [...lever[side], name] })} />
      <${Chips} label=${`${label}: ${lever.column}`} texts=${lever[side]} last=${`lever-${at}-${side}`} onRemove=${(gone) => onChange({ ...lever, [side]: without(lever[side], gone) })} /></div>`)}</fieldset>`;
}

/** The levers to compare, each with its own order; none named: all that may be levers. */
function Chosen({ columns, order, usable, outcome, levers, onChange }) {
  const [list, goes] = useFocusAfterRemoval("sheet-lever");
  const free = columns.filter((name) => !levers.some((one) => one.column === name));
  const set = (at, lever) => onChange(levers.map((one, index) => index === at ? lever : one));
  return html`<details class="order"><summary>Compare only some levers, choose their values, or state what came before or after one of them</summary>
    <p class="quiet">Without a lever here, all columns that may be levers are compared.</p>
    <div class="levers" ref=${list}>${levers.map((lever, at) => html`<${Lever} key=${lever.column} at=${at} lever=${lever} column=${usable.find((one) => one.name === lever.column)} columns=${order} outcome=${outcome} onChange=${(next) => set(at, next)} onRemove=${() => { goes(at); onChange(without(levers, at)); }} />`)}
      <${Name} id="sheet-lever" label="Add a lever" columns=${free} value="" none="Choose a column" onChange=${(column) => column && onChange([...levers, { column, before: [], after: [] }])} /></div></details>`;
}

function Ask({ session, dataset, schema, onMade }) {
  const [blocks, setBlocks] = useState([]);
  const usualOrder = useUsualOrder(session, dataset);
  const usable = useMemo(() => usableColumns(schema), [schema]);
  const [outcome, setOutcome] = useState("");
  const [level, setLevel] = useState("");
  const [places, setPlaces] = useState({});
  const [levers, setLevers] = useState([]);
  const shown = usable.find((one) => one.name === outcome);
  const counts = shown && !["integer", "numeric", "boolean"].includes(shown.kind);
  const order = [outcome, ...usable.map((one) => one.name).filter((name) => name !== outcome)];
  const listed = (place) => order.filter((name) => places[name] === place);
  const free = order.slice(1).filter((name) => !places[name]);
  const named = levers.filter((one) => free.includes(one.column));
  const [ask, busy, problem] = useAction(async () => onMade(await session.post(`/v1/datasets/${dataset.dataset_id}/sheets`, {
    outcome, levers: named, before: listed("before"), after: listed("after"), dont_know: listed("dont_know"), blocks: blocks.filter((block) => block.length), ...(counts && { outcome_level: level || typical(shown) }),
  })));
  if (usable.length < 2) return html`<p class="empty">An answer sheet needs two learned columns.</p>`;
  return html`<form class="card effect-form" onSubmit=${(event) => { event.preventDefault(); ask(); }}>
    <${ColumnSelect} id="sheet-outcome" label="Outcome" columns=${usable} value=${outcome} none="Choose a column" onChange=${(name) => { setOutcome(name); setLevel(""); setPlaces({}); setLevers([]); }} />
    ${counts && html`<${Value} id="sheet-level" label="Level of the outcome" column=${shown} value=${level || typical(shown)} onChange=${setLevel} />`}
    ${shown && html`<${Order} outcome=${outcome} columns=${order} levers=${named} places=${places} onChange=${setPlaces} />
    <${Chosen} columns=${free} order=${order} usable=${usable} outcome=${outcome} levers=${named} onChange=${setLevers} />`}
    <details class="order"><summary>Or place all columns in blocks</summary><${Blocks} id="sheet-blocks" columns=${usable.map((one) => one.name)} blocks=${blocks} usual=${usualOrder} onChange=${setBlocks} /></details>
    <div><button class="primary" disabled=${busy || !shown}>${busy ? "Sending" : "Compare"}</button></div><${Failure} problem=${problem} /></form>`;
}

const HEADS = ["Rank", "Lever", "What may be claimed", "Effect", "Interval, all together", "Precision", "Why it has no rank"];

/** Effect, interval and precision, as far as the service says that the verdict claims them. */
function figures(one) {
  const { ace, union: span, precision, verdict } = one;
  return [ace?.effect != null ? number(ace.effect, 2) : "", span ? `${number(span.low, 2)} to ${number(span.high, 2)}` : "", verdict.kind === "contradicted" ? "" : precision];
}

const sentence = (text) => text && `${text[0].toUpperCase()}${text.slice(1)}.`;

const shown = (value) => typeof value === "number" ? number(value, 4) : value;

function Levers({ session, found }) {
  const [save, busy, problem] = useAction((form, suffix) => session.save(`/v1/sheets/${found.sheet_id}/${form}`, `${found.sheet_id}.${suffix}`));
  return html`<p><strong>${found.text}</strong></p>
    <div class="scroll" tabindex="0" role="region" aria-label=${`Levers of ${found.outcome}`}><table class="stacked"><thead><tr>${HEADS.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
    <tbody>${found.levers.map((one) => html`<tr><td data-label="Rank">${one.rank ?? "-"}</td><th scope="row">${one.treatment}: ${shown(one.value)}, not ${shown(one.baseline)}</th><td>${one.verdict.text}</td>
      ${figures(one).map((text, at) => html`<td data-label=${HEADS[at + 3]}>${text}</td>`)}<td>${sentence(one.unranked)}${one.verdict.asks && ` Does ${one.verdict.asks} come before or after ${one.treatment}?`}</td></tr>`)}</tbody></table></div>
    ${found.left_out?.length > 0 && html`<details><summary>No levers: ${found.left_out.length} columns</summary><ul>${found.left_out.map((one) => html`<li key=${one.column}>${one.column}: ${one.reason}</li>`)}</ul></details>`}
    <div class="row"><button disabled=${busy} onClick=${() => save("page", "html")}>Save the appendix</button><button class="plain" disabled=${busy} onClick=${() => save("xlsx", "xlsx")}>as Excel</button><button class="plain" disabled=${busy} onClick=${() => save("program", "py")}>as a program</button><span class="quiet">One HTML file to read, print and hand over; the program repeats the answers on the table.</span></div><${Failure} problem=${problem} />`;
}

export function Sheet({ session, id, back }) {
  const path = `/v1/sheets/${id}`;
  const [found, problem, again] = useLoad(() => session.get(path), [session, id]);
  if (problem?.status === 404) return null;
  if (!found) return html`<li class="card"><${Failure} problem=${problem} />${!problem && html`<p role="status">Loading</p>`}</li>`;
  return html`<li class="card effect"><div class="head"><h3>What changes ${found.outcome}</h3>${found.status !== "ready" && html`<${Status} of=${found.status} />`}</div>
    <${Progress} session=${session} jobId=${found.job_id} status=${found.status} onEnd=${again} />
    ${found.error && html`<div class="notice bad" role="alert"><p>${found.error.detail}</p></div>`}${found.status === "ready" && html`<${Levers} session=${session} found=${found} />`}
    <${Erase} session=${session} path=${path} id=${id} back=${back ?? `#/datasets/${found.dataset_id}/sheets`} what="This answer sheet will be erased." /></li>`;
}

export function Sheets({ session, dataset }) {
  const [schema, problem] = useSchema(session, dataset);
  const [sheets, trouble, again] = useLoad(() => session.list(`/v1/sheets?limit=100&dataset_id=${dataset.dataset_id}`), [session, dataset.dataset_id]);
  return html`<section aria-labelledby="sheets-title"><h2 id="sheets-title">Answer sheets</h2><p class="quiet lead">One outcome, all levers. Each effect says what it rests on, all intervals hold together, and only what follows from what you stated is ranked.</p><${Failure} problem=${problem ?? trouble} />
    ${schema && html`<${Ask} session=${session} dataset=${dataset} schema=${schema} onMade=${again} />`}
    ${sheets && (sheets.length ? html`<ul class="stack">${sheets.map((one) => html`<${Sheet} key=${one.sheet_id} session=${session} id=${one.sheet_id} />`)}</ul>` : html`<p class="empty">No answer sheets yet.</p>`)}</section>`;
}

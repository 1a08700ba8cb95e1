// What was read as what: the description of a dataset, column by column, with menus that correct it.
import { Failure, useAction, when } from "../ui.js";
import { html, useState } from "../vendor/preact.js";
import { putAgain, useLoad } from "./parts.js";
import { Rules, withExtension } from "./rules.js";
import { Targets } from "./targets.js";

const EXTENSION = "x-simulacra";
const TYPES = [["string", "words"], ["number", "number"], ["integer", "whole number"], ["boolean", "yes or no"], ["date", "date"], ["datetime", "date and time"], ["time", "time of day"], ["list", "several answers"]];
const ROLES = [["", "answer"], ["publish", "answer, public levels"], ["key", "key of the rows"], ["subject", "person of the rows"], ["foreign_key", "key of something else"], ["pii", "personal data"], ["weight", "survey weight"], ["cluster", "sampling point (cluster)"], ["stratum", "stratum"], ["replicate_weight", "replicate weight"], ["wave", "wave"], ["text", "free text"], ["drop", "left out"]];
const SOURCES = { user: "you", file: "the file", detected: "found" };

const own = (field) => field[EXTENSION] ?? {};
const roleOf = (field) => own(field).use === "drop" ? "drop" : own(field).publish ? "publish" : own(field).role === "none" ? "" : own(field).role ?? "";
/** The choices of a menu, with the present value if it is none of them. */
const choices = (known, value) => known.some(([key]) => key === value) ? known : [...known, [value, value.replaceAll("_", " ")]];

function withRole(field, role) {
  const { use, publish, ...rest } = own(field);
  if (role === "publish") {
    const { role: _, ...other } = rest; // whether it holds personal data is found again
    return { ...field, [EXTENSION]: { ...other, publish: publish ?? true } };
  }
  const change = role === "drop" ? { use: "drop" } : { role: role || "none" };
  return { ...field, [EXTENSION]: { ...rest, ...change } };
}

/** The values that count as missing, as one text; a value can have a comma only in a description that is sent as a file. */
const valueOf = (one) => String(one?.value ?? one);
const missingOf = (field) => (field.missingValues ?? []).map(valueOf).filter(Boolean).join(", ");

/** Without the list, the cells would be detected again: who empties it states that only empty cells are missing. */
function withMissing(field, text) {
  const { missingValues: before = [], ...rest } = field;
  const known = new Map(before.map((one) => [valueOf(one), one]));
  const isLabelled = before.some((one) => one?.label !== undefined); // then all have a label
  const values = new Set(["", ...text.split(",").map((one) => one.trim())]);
  return { ...rest, missingValues: [...values].map((value) => known.get(value) ?? (isLabelled ? { value, label: value } : value)) };
}

function withLabel(field, text) {
  const { title: _, ...rest } = field;
  return text.trim() ? { ...rest, title: text.trim() } : rest;
}

/** A text that is taken over when its field is left. */
function Text({ label, value, onChange }) {
  return html`<input aria-label=${label} value=${value} autocomplete="off" spellcheck="false" onChange=${(event) => onChange(event.target.value)} />`;
}

function Menu({ label, value, known, onChange }) {
  return html`<select aria-label=${label} value=${value} onChange=${(event) => onChange(event.target.value)}>${choices(known, value).map(([key, text]) => html`<option value=${key}>${text}</option>`)}</select>`;
}

/** The question of a summary of earlier waves that a column looks like. */
const proposed = (field) => /question (?:than )?(.+) of earlier waves \(/.exec(why(field))?.[1];

/** The menu of what a question was called: a question of its own, or an earlier one. */
function Earlier({ field, names, onChange }) {
  const { earlier, levels: _, ...rest } = own(field);
  const known = [["", "as now"], ["false", "of its own"], ...[...new Set([proposed(field), ...names.filter((name) => name !== field.name)])].filter(Boolean).map((name) => [name, name])];
  const change = (value) => onChange({ ...field, [EXTENSION]: value === "" ? rest : { ...rest, earlier: value === "false" ? false : value } });
  return html`<td><${Menu} label=${`Earlier question of ${field.name}`} value=${String(earlier ?? "")} known=${known} onChange=${change} /></td>`;
}

/** Who said what a column was read as, and the evidence for what was found. */
const said = (field) => [...new Set(Object.values(own(field).source ?? {}))].map((one) => SOURCES[one] ?? one).join(", ");
const why = (field) => Object.values(own(field).evidence ?? {}).join("; ");

function Row({ field, names, onChange }) {
  return html`<tr><th scope="row">${field.name}</th>
    <td><${Menu} label=${`Read ${field.name} as`} value=${field.type ?? "string"} known=${TYPES} onChange=${(type) => onChange({ ...field, type })} /></td>
    <td><${Menu} label=${`Role of ${field.name}`} value=${roleOf(field)} known=${ROLES} onChange=${(role) => onChange(withRole(field, role))} /></td>
    <td><${Text} label=${`Label of ${field.name}`} value=${field.title ?? ""} onChange=${(text) => onChange(withLabel(field, text))} /></td>
    <td><${Text} label=${`Missing values of ${field.name}`} value=${missingOf(field)} onChange=${(text) => onChange(withMissing(field, text))} /></td>
    ${names && html`<${Earlier} field=${field} names=${names} onChange=${onChange} />`}<td>${said(field)}</td><td class="quiet">${why(field)}</td></tr>`;
}

/** What a column was read as, its role, who said so and why, as a sentence. */
export function readAs(field) {
  const type = new Map(TYPES).get(field.type) ?? field.type ?? "words";
  const role = new Map(ROLES).get(roleOf(field)) ?? roleOf(field).replaceAll("_", " ");
  const missing = missingOf(field);
  return [`Read as ${type}, ${role}`, said(field) && `said by ${said(field)}`, missing && `no answer: ${missing}`, why(field)].filter(Boolean).join("; ");
}

function advice(dataset) {
  if (dataset.status === "held") return dataset.source_until ? `The model is not fit yet. Correct the menus if needed, then confirm. The upload is kept, encrypted, until ${when(dataset.source_until)} at the latest.` : "The model is not fit yet. Confirm what was read.";
  if (dataset.source_kept) return "A change reads the table again and replaces the model: everything generated and estimated from it is erased.";
  return "The upload is erased, so this dataset cannot be read again. To correct it, upload the file again with a description, or with “keep source” for later changes.";
}

const pathOf = (dataset) => `/v1/datasets/${dataset.dataset_id}/description`;

/** Load what a dataset's columns were read as: [description, problem]; {} where nobody knows. */
export const useDescription = (session, dataset) => useLoad(() => session.get(pathOf(dataset)).catch((found) => {
  if (found.status === 409) return {}; // read by an earlier release, or not at all
  throw found;
}), [session, dataset.dataset_id, dataset.status]);

/** Menus that correct what was read, while the table can be read again; else what happened to it. */
export function Reading({ session, dataset, before, onFit }) {
  const path = pathOf(dataset);
  const [draft, setDraft] = useState(null);
  const [fit, busy, refused] = useAction(async () => { await putAgain(session, path, draft ?? before); setDraft(null); onFit(); });
  const shown = draft ?? before;
  if (!shown?.schema) return null;
  const open = dataset.status === "held" || dataset.source_kept;
  const extension = shown.schema[EXTENSION];
  if (!open) return html`<p class="notice">${advice(dataset)}</p><${Rules} extension=${extension} heading="h2" /><${Targets} extension=${extension} heading="h2" />`;
  const held = dataset.status === "held";
  const fields = shown.schema.fields;
  const names = fields.some((field) => roleOf(field) === "wave" || proposed(field)) && fields.map((field) => field.name); // only waves, and what a summary came with, have earlier questions
  const change = (at) => (field) => setDraft({ ...shown, schema: { ...shown.schema, fields: shown.schema.fields.map((one, index) => index === at ? field : one) } });
  return html`<section class="card wide" aria-labelledby="reading-title"><h2 id="reading-title">Read as</h2><p class="quiet lead">${advice(dataset)}</p>
    <${Failure} problem=${refused} />
    <div class="row"><button class="primary" disabled=${busy || !(held || draft)} onClick=${fit}>${busy ? "Sending the description" : held ? "Confirm and fit" : "Read again and fit"}</button>
      ${draft && html`<button class="plain" disabled=${busy} onClick=${() => setDraft(null)}>Discard changes</button>`}</div>
    <div class="scroll" tabindex="0" role="region" aria-label="Columns and what they were read as"><table class="reading"><thead><tr><th scope="col">Column</th><th scope="col">Read as</th><th scope="col">Role</th><th scope="col">Label</th><th scope="col">Missing values</th>${names && html`<th scope="col">Earlier question</th>`}<th scope="col">Said by</th><th scope="col">Why</th></tr></thead>
      <tbody>${fields.map((field, at) => html`<${Row} key=${field.name} field=${field} names=${names} onChange=${change(at)} />`)}</tbody></table></div>
    <${Rules} extension=${extension} onChange=${(next) => setDraft(withExtension(shown, next))} />
    <${Targets} extension=${extension} onChange=${(next) => setDraft(withExtension(shown, next))} /></section>`;
}

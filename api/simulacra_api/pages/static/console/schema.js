// The cleaned schema, a line for each column; opened, it has levels, what it was read as, and what was cleaned.
import { Failure, number, percent, when } from "../ui.js";
import { html, useState } from "../vendor/preact.js";
import { useLoad } from "./parts.js";
import { Reading, readAs, useDescription } from "./reading.js";

const SHOWN_LEVELS = 8;
const ROLES = { key: "key", subject: "persons", foreign_key: "foreign key", personal_data: "personal data", coordinate: "coordinate", cluster: "sampling point", stratum: "stratum", replicate_weight: "replicate weight", wave: "wave" };
const DAY_KINDS = new Set(["datetime"]);

/** Load a dataset's schema. */
export const useSchema = (session, dataset) => useLoad(() => session.get(`/v1/datasets/${dataset.dataset_id}/schema`), [session, dataset.dataset_id]);

function span(column) {
  if (column.minimum == null) return column.constant != null ? `always ${column.constant}` : "";
  const show = DAY_KINDS.has(column.kind) ? (seconds) => when(seconds * 1000) : (value) => number(value, column.decimals ?? 4);
  return `${show(column.minimum)} to ${show(column.maximum)}`;
}

function Levels({ column }) {
  const [all, setAll] = useState(false);
  if (!column.levels.length) return null;
  const shown = all ? column.levels : column.levels.slice(0, SHOWN_LEVELS);
  const most = Math.max(...column.levels.map((level) => level.share));
  return html`<ul class="levels">${shown.map((level) => html`<li><span>${level.label ?? level.value}</span>
    <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width=${(level.share / most) * 100} height="6" rx="1" /></svg><span class="quiet">${percent(level.share)}</span></li>`)}</ul>
    ${column.levels.length > SHOWN_LEVELS && html`<button class="plain" onClick=${() => setAll(!all)}>${all ? "Show fewer" : `Show all ${column.levels.length}`}</button>`}`;
}

const told = (column) => [column.kind, ROLES[column.role], column.personal_data?.replace("_", " "), !column.learned && "not learned", span(column), column.missing_share > 0 && `${percent(column.missing_share)} missing`].filter(Boolean).join(", ");

function Column({ column, field, notes, open }) {
  const read = field && readAs(field);
  return html`<li><details open=${open}><summary><h3>${column.name}</h3><span class="quiet">${told(column)}</span></summary>
    ${column.label && html`<p>${column.label}</p>`}<${Levels} column=${column} />
    ${read && html`<p class="quiet">${read}</p>`}
    ${notes.length > 0 && html`<ul class="quiet" aria-label="Cleaned">${notes.map((note) => html`<li>${note.action}${note.count ? ` (${number(note.count)})` : ""}</li>`)}</ul>`}</details></li>`;
}

export function Schema({ session, dataset, onFit }) {
  const [schema, problem] = useSchema(session, dataset);
  const [description, refused] = useDescription(session, dataset);
  const [sought, setSought] = useState("");
  const [open, setOpen] = useState(false);
  if (problem ?? refused) return html`<${Failure} problem=${problem ?? refused} />`;
  if (!schema) return html`<p role="status">Loading the schema</p>`;
  const found = schema.columns.filter(({ name, label }) => `${name} ${label ?? ""}`.toLowerCase().includes(sought.toLowerCase()));
  const shown = new Set(schema.columns.map((column) => column.name));
  const about = schema.cleaning.filter((note) => !shown.has(note.column));
  const fields = new Map((description?.schema?.fields ?? []).map((field) => [field.name, field]));
  return html`<${Reading} session=${session} dataset=${dataset} before=${description} onFit=${onFit} /><section aria-labelledby="schema-title"><div class="head"><h2 id="schema-title">Schema</h2>
    <div class="row"><div class="field inline"><label for="sought">Find a column</label><input id="sought" type="search" value=${sought} onInput=${(event) => setSought(event.target.value)} /></div>
    <button aria-pressed=${open} onClick=${() => setOpen(!open)}>${open ? "Close all" : "Open all"}</button></div></div>
    ${schema.persons && html`<p>${number(schema.rows)} rows of ${number(schema.persons)} persons.</p>`}
    ${about.length > 0 && html`<ul class="quiet">${about.map((note) => html`<li>${note.column && `${note.column}: `}${note.action}</li>`)}</ul>`}
    ${found.length ? html`<ul class="columns">${found.map((column) => html`<${Column} key=${column.name} column=${column} field=${fields.get(column.name)} open=${open} notes=${schema.cleaning.filter((note) => note.column === column.name)} />`)}</ul>`
      : html`<p class="empty">No column has “${sought}” in its name or label.</p>`}</section>`;
}

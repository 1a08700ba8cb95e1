// Audit records of the tenant's data, support access, and certificates of erased resources.
import { ANSWERS } from "../kinds.js";
import { Failure, number, useAction, when } from "../ui.js";
import { html, useState } from "../vendor/preact.js";
import { Certificate, useLoad } from "./parts.js";

const OF_DATASET = new Set(["ds", "mdl"]);
const KINDS = { gen: "Generated rows", probe: "Samples, erased at once", up: "Uploads", ...Object.fromEntries(ANSWERS.map((one) => [one.prefix, `${one.title}s`])) };
const SOURCES = { "/simulacra/api": "API", "/simulacra/operator": "Operator" };

function counts(event) {
  return Object.entries(event.counts ?? {}).filter(([, value]) => value != null).map(([name, value]) => `${number(value)} ${name}`).join(", ");
}

/** A list of the API, 50 items at a time: { items, null before the first; problem; earlier, a button while there are more; integrity of the audit log }. */
function usePages(session, path, label) {
  const [items, setItems] = useState(null);
  const [cursor, setCursor] = useState(null);
  const [integrity, setIntegrity] = useState({});
  const page = async (from) => {
    const found = await session.get(`${path}${path.includes("?") ? "&" : "?"}limit=50${from ? `&cursor=${encodeURIComponent(from)}` : ""}`);
    setItems((before) => from ? [...before, ...found.items] : found.items);
    setCursor(found.next_cursor);
    setIntegrity(found.integrity ?? {});
  };
  const [, problem] = useLoad(() => page(null), [session, path]);
  const [more, busy, trouble] = useAction(() => page(cursor));
  const earlier = html`${cursor && html`<button disabled=${busy} onClick=${more}>${label}</button>`}<${Failure} problem=${trouble} />`;
  return { items, problem, earlier, integrity };
}

function Events({ session }) {
  const [reads, setReads] = useState(false);
  const { items: events, problem, earlier, integrity } = usePages(session, `/v1/audit-events?reads=${reads}`, "Earlier records");
  if (problem) return html`<${Failure} problem=${problem} />`;
  if (!events) return html`<p role="status">Loading</p>`;
  return html`${integrity.kept_days && html`<p class="quiet">Kept for ${integrity.kept_days} days${integrity.pruned_until && `: records from before ${when(integrity.pruned_until)} were deleted`}.</p>`}
    <label class="check"><input type="checkbox" checked=${reads} onChange=${(event) => setReads(event.target.checked)} /> Show reads too</label>
    <div class="scroll" tabindex="0" role="region" aria-label="Audit records"><table class="audit"><thead><tr>${["Time", "Event", "Kind", "Source", "Client", "Outcome", "Counts"].map((text) => html`<th scope="col">${text}</th>`)}</tr></thead>
    <tbody>${events.map((event) => html`<tr key=${event.id}><td>${when(event.time)}</td><td><code>${event.type.replace("dev.simulacra.", "")}</code></td><td>${[event.kind, event.artefact].filter(Boolean).join(" ")}</td><td>${SOURCES[event.source] ?? event.source}</td><td>${event.client ?? ""}</td><td>${event.outcome}</td><td>${counts(event)}</td></tr>`)}</tbody></table></div>
    ${earlier}`;
}

/** Certificates by what was erased: a dataset with its model, then what was made from datasets, by kind. */
function grouped(items) {
  const groups = new Map();
  for (const one of items) {
    const [prefix, ...rest] = one.resource_id.split("-");
    const title = OF_DATASET.has(prefix) ? `Dataset and model ${rest.join("-").slice(0, 8)}` : KINDS[prefix] ?? "Other";
    groups.set(title, [...(groups.get(title) ?? []), one]);
  }
  const isLast = ([title]) => Number(title === KINDS.probe);
  return [...groups].sort((one, other) => isLast(one) - isLast(other));
}

function Erased({ session }) {
  const { items, problem, earlier } = usePages(session, "/v1/erasure-certificates", "Earlier certificates");
  const [shown, setShown] = useState(null);
  const [open, , trouble] = useAction(async (id) => setShown(await session.get(`/v1/erasure-certificates/${id}`)));
  if (problem) return html`<${Failure} problem=${problem} />`;
  if (!items) return html`<p role="status">Loading</p>`;
  if (!items.length) return html`<p class="empty">Nothing has been erased yet.</p>`;
  return html`${grouped(items).map(([title, members]) => html`<section class="card group" key=${title}><h3>${title}</h3><ul class="certificates">${members.map((one) => html`<li key=${one.uid}><code>${one.resource_id}</code><span class="quiet">${when(one.issued_at)}</span>
    <button class="plain" aria-label=${`Show the certificate of ${one.resource_id}`} onClick=${() => open(one.uid)}>Show</button></li>`)}</ul></section>`)}${earlier}<${Failure} problem=${trouble} />
    ${shown && html`<${Certificate} of=${shown} id=${shown.resource_id} back="#/" />`}`;
}

function Support({ session }) {
  const [found, problem] = useLoad(() => session.get("/v1/support-access"), [session]);
  if (problem) return html`<${Failure} problem=${problem} />`;
  if (!found) return html`<p role="status">Loading</p>`;
  if (!found.items.length) return html`<p class="empty">Nobody has, or had, support access.</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Support access"><table class="audit"><thead><tr>${["Person", "Reason", "Opened", "Ends", "Client in events"].map((text) => html`<th scope="col">${text}</th>`)}</tr></thead>
    <tbody>${found.items.map((one) => html`<tr key=${one.support_access_id}><td>${one.person}</td><td>${one.reason}</td><td>${when(one.opened_at)}</td><td>${one.status === "open" ? when(one.ends_at) : `ended ${when(one.ended_at ?? one.ends_at)}`}</td><td>${one.client}</td></tr>`)}</tbody></table></div>`;
}

export function Audit({ session }) {
  return html`<h1>Audit trail</h1><p class="lede">Records hold ids, counts, digests and times; never rows, column names, levels, conditions or secrets.</p>
    <section aria-labelledby="certificates-title"><h2 id="certificates-title">Erasure certificates</h2><${Erased} session=${session} /></section>
    <section aria-labelledby="support-title"><h2 id="support-title">Support access</h2><p class="quiet">Persons of the operator who may read status and audit records for some hours, never data. Each use is an event below.</p><${Support} session=${session} /></section>
    <section aria-labelledby="events-title"><h2 id="events-title">Events</h2><${Events} session=${session} /></section>`;
}

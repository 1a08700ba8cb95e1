// Columns that were chosen, each with a button to remove it, and the field that adds one.
import { useFocusAfterRemoval } from "../ui.js";
import { html } from "../vendor/preact.js";

/** A list without the entry at a place. */
export const without = (list, at) => list.filter((_, index) => index !== at);

/** Chooses a column from a list, or by name if the list is unknown. */
export function Name({ id, label, columns, value, none, onChange }) {
  return html`<div class="field"><label for=${id}>${label}</label>${columns
    ? html`<select id=${id} value=${value} onChange=${(event) => onChange(event.target.value)}><option value="">${none}</option>${columns.map((name) => html`<option value=${name}>${name}</option>`)}</select>`
    : html`<input id=${id} value=${value} spellcheck="false" placeholder="Name of a column" onChange=${(event) => onChange(event.target.value.trim())} />`}</div>`;
}

/** Entries with a remove button each; after the last one the focus is on the field with the id `last`. */
export function Chips({ label, texts, last, onRemove }) {
  const [list, goes] = useFocusAfterRemoval(last);
  return html`<ul class="chips" aria-label=${label} ref=${list}>${texts.map((text, at) => html`<li class="chip" key=${text}><span>${text}</span><button type="button" class="plain small" aria-label=${`Remove ${text}`} onClick=${() => { goes(at); onRemove(at); }}>×</button></li>`)}</ul>`;
}

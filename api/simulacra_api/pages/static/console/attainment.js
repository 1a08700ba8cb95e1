// Requested and attained share of each condition: a bar for the attained share, a mark for the requested one.
import { number, percent } from "../ui.js";
import { html } from "../vendor/preact.js";

const WIDTH = 200;

function name(condition) {
  if (condition.level != null) return html`${condition.column} = ${condition.level}`;
  const { minimum: low, maximum: high, earliest, latest } = condition;
  if (earliest || latest) return html`${condition.column} ${span({ earliest, latest })}`;
  if (low === high) return html`${condition.column} = ${number(low, 6)}`;
  return html`${condition.column} ${low == null ? `≤ ${number(high, 6)}` : high == null ? `≥ ${number(low, 6)}` : `${number(low, 6)} to ${number(high, 6)}`}`;
}

const span = ({ min, max, earliest, latest }) => earliest || latest ? `${earliest ?? ""} to ${latest ?? ""}` : min === max ? number(min, 6) : min == null ? `≤ ${number(max, 6)}` : max == null ? `≥ ${number(min, 6)}` : `${number(min, 6)} to ${number(max, 6)}`;

const cell = ({ where }) => Object.entries(where).map(([column, part]) => `${column} ${part.levels ? part.levels.join(" or ") : span(part)}`).join(" and ");
const sharesOf = ({ share, min, max }) => share != null ? percent(share, 2) : min == null ? `at most ${percent(max, 2)}` : max == null ? `at least ${percent(min, 2)}` : `${percent(min, 2)} to ${percent(max, 2)}`;

/** The conditions and interventions of a generation in a line, empty without any. */
export function askedOf({ conditions, interventions, counterfactual }) {
  const shares = Object.entries(conditions?.categorical ?? {}).flatMap(([column, levels]) => Object.entries(levels).map(([level, share]) => `${column} ${level} ${percent(share)}`));
  const ranges = Object.entries(conditions?.numeric ?? {}).map(([column, ends]) => `${column} ${span(ends)}`);
  const dos = Object.entries(interventions ?? {}).map(([column, value]) => `do(${column} = ${value})`);
  const cells = (conditions?.quotas ?? []).map((quota) => `${cell(quota)} ${sharesOf(quota)}`);
  return [...shares, ...ranges, ...cells, ...dos, ...(counterfactual ? ["in pairs"] : [])].join(", ");
}

export function Attainment({ of }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Requested and attained"><table class="attainment"><caption>Requested and attained, as shares of the rows</caption>
    <thead><tr><th scope="col">Condition</th><th scope="col"><span class="unseen">Chart</span></th><th scope="col">Requested</th><th scope="col">Attained</th></tr></thead>
    <tbody>${of.conditions.map((one) => html`<tr><th scope="row">${name(one)}</th><td><svg viewBox=${`0 0 ${WIDTH} 14`} width=${WIDTH} height="14" aria-hidden="true"><rect class="track" width=${WIDTH} height="8" y="3" rx="4" />
      <rect class=${one.met ? "met" : "missed"} width=${WIDTH * one.attained} height="8" y="3" rx="4" /><rect class="asked" x=${Math.max(0, WIDTH * one.asked - 2)} width="2.5" height="14" /></svg></td>
      <td>${percent(one.asked, 2)}</td><td>${percent(one.attained, 2)} ${!one.met && html`<span class="wrong">not met</span>`}</td></tr>`)}${(of.quotas ?? []).map((one) => html`<tr><th scope="row">${cell(one)}</th><td><svg viewBox=${`0 0 ${WIDTH} 14`} width=${WIDTH} height="14" aria-hidden="true"><rect class="track" width=${WIDTH} height="8" y="3" rx="4" />
      <rect class=${one.met ? "met" : "missed"} width=${WIDTH * one.attained} height="8" y="3" rx="4" /><rect class="asked" x=${Math.max(0, WIDTH * (one.share ?? one.min ?? one.max) - 2)} width="2.5" height="14" /></svg></td>
      <td>${sharesOf(one)}</td><td>${percent(one.attained, 2)} ${!one.met && html`<span class="wrong">not met: ${one.why}</span>`}</td></tr>`)}</tbody></table></div>`;
}

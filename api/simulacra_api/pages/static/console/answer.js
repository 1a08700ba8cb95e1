// The answer to a causal question: verdict, precision, intervals, the next question, and what was checked.
import { Failure, number, percent, useAction, when } from "../ui.js";
import { html } from "../vendor/preact.js";
import { Confirm } from "./blocks.js";

const WIDTH = 260;
const SHOWN = 3; // columns that a row names at most
const KINDS = { assumed: "Assumed", instrument: "Instrument", "parallel trends": "Parallel trends", suggested: "Suggested", "usual order": "Usual order", open: "Open", contradicted: "Do not use", unanswerable: "No answer" };
const KINDS_OF_AUTHOR = { client: null, automatic: "bound automatically, as asked" };
const ORIGINS = { request: "this question", tiers: "tiers of the model", required: "required edges of the model", proposed: "proposed and confirmed" };
const MADE_BEFORE = "This estimate was made before verdicts, so it does not say what it rests on. Estimate again.";
const EVERYBODY = { treated: "All those treated" };
const listed = (columns) => columns.join(", ") || "no column";

/** The columns of the groups. */
const grouped = ({ by, segment }) => by?.length ? by.join(", ") : segment;

/** The union of all intervals as a wide bar, one interval as a thin one, within it that of a group alone; a point only where the verdict claims one. */
function Bar({ of, low, high, union }) {
  const at = (value) => 8 + ((value - low) / (high - low || 1)) * (WIDTH - 16);
  return html`<svg class=${union ? "interval union" : "interval"} viewBox=${`0 0 ${WIDTH} 18`} width=${WIDTH} height="18" aria-hidden="true"><path class="zero" d=${`M${at(0)} 0V18`} /><path class="span" d=${`M${at(of.low)} 9H${at(of.high)}`} />${of.alone && html`<path class="alone" d=${`M${at(of.alone.low)} 9H${at(of.alone.high)}`} />`}${of.effect != null && html`<circle cx=${at(of.effect)} cy="9" r="4" />`}</svg>`;
}

/** A name of an adjustment set that no other has: its columns, those that it lacks, or those that not all have. */
function setName(columns, tried) {
  const lacking = [...new Set(tried.flat())].filter((name) => !columns.includes(name));
  if (columns.length <= SHOWN || tried.length === 1) return `Adjusted for ${listed(columns)}`;
  if (lacking.length <= SHOWN) return lacking.length ? `Adjusted for all but ${lacking.join(", ")}` : "Adjusted for all";
  const own = columns.filter((name) => !tried.every((set) => set.includes(name)));
  if (lacking.length < own.length) return `Adjusted for all but ${lacking.join(", ")}`;
  const common = columns.length - own.length;
  return `Adjusted for ${[...own, ...(common ? [`${common} that all have`] : [])].join(", ")}`;
}

/** Whom the answer is for, with a capital. */
const whom = ({ text }) => text[0].toUpperCase() + text.slice(1);

/** The union first, then each adjustment set left open, then the segments. */
function rowsOf(found) {
  const sets = found.alternatives ?? [];
  const tried = sets.filter((one) => !one.reverses).map((one) => one.adjustment);
  const name = (one) => one.reverses ? `If ${found.outcome} comes first` : setName(one.adjustment, tried);
  const single = [{ ...found.ace, name: found.answered ? whom(found.answered) : sets.length ? name(sets[0]) : "All rows" }];
  const several = [{ ...found.ace, ...found.union, effect: null, name: found.answered ? `${whom(found.answered)}: all that is left open` : "All that is left open", union: true }, ...sets.map((one) => ({ ...one, rows: found.ace.rows, name: name(one) }))];
  const everybody = found.answered ? [{ ...found.answered.everybody, name: `${EVERYBODY[found.population] ?? "Everybody"}, by an assumption` }] : [];
  return [...(sets.length > 1 ? several : single), ...everybody, ...(found.segments ?? []).map((one) => ({ ...one, name: `${grouped(found)}: ${one.level}${one.thin_support ? " (thin support)" : ""}` }))];
}

function Figures({ found }) {
  const rows = rowsOf(found);
  const low = Math.min(0, ...rows.map((row) => row.low));
  const high = Math.max(0, ...rows.map((row) => row.high));
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${`Effect ${found.effect_id}`}><table class="effects"><caption class="unseen">Effect with 95 % interval, rows and support</caption>
    <thead><tr><th scope="col">Rows and adjustment</th><th scope="col"><span class="unseen">Chart</span></th><th scope="col">Effect</th><th scope="col">95 % interval</th><th scope="col">Rows</th><th scope="col">Support</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr><th scope="row">${row.name}</th><td><${Bar} of=${row} low=${low} high=${high} union=${row.union} /></td><td>${row.effect == null ? "" : number(row.effect, 3, true)}</td><td>${number(row.low, 3, true)} to ${number(row.high, 3, true)}</td><td>${row.rows == null ? "" : number(row.rows)}</td><td>${row.support == null ? "" : percent(row.support, 0)}</td></tr>`)}</tbody></table></div>`;
}

/** Whether groups differ, which from the first, each alone, and which have too few rows to be shown. */
function Segments({ found }) {
  const [first, ...others] = found.segments ?? [];
  const differ = others.filter(({ difference: of }) => of && (of.low > 0 || of.high < 0)).map((one) => one.level);
  const compared = others.some((one) => one.difference);
  const alone = (found.segments ?? []).filter((one) => one.alone).map((one) => `${one.level} ${number(one.alone.low, 3, true)} to ${number(one.alone.high, 3, true)}`);
  return html`${found.groups_differ && html`<p>${found.groups_differ.text}</p>`}${compared && html`<p class="quiet">${differ.length ? `The effect differs from that of ${grouped(found)}: ${first.level} in: ${differ.join(", ")}.` : "No segment's effect differs from the first one's beyond chance."} The intervals hold for all segments together.</p>`}
    ${alone.length > 0 && html`<p class="quiet">Each group alone (thick): ${alone.join("; ")}.</p>`}
    ${found.unshown_segments?.length > 0 && html`<p class="quiet">Not shown, too small or beyond the 50 largest: ${found.unshown_segments.join(", ")}.</p>`}`;
}

/** The request of this estimate with other lists; those that it states with one more column. */
function restated(found, place) {
  const level = found.outcome_level;
  const named = level != null && found.outcome.endsWith(`=${level}`);
  const lists = Object.fromEntries(["before", "after", "dont_know", "negative_controls"].map((list) => [list, found[list].filter((name) => name !== found.verdict.asks)]));
  if (place) lists[place] = [...lists[place], found.verdict.asks];
  return {
    treatment: found.treatment, value: found.value, baseline: found.baseline, population: found.population, ...lists, blocks: found.blocks ?? [],
    outcome: named ? found.outcome.slice(0, -level.length - 1) : found.outcome, ...(named && { outcome_level: level }), ...(found.segment && { segment: found.segment }), ...(found.by?.length && { by: found.by }),
  };
}

/** The one question whose answer would narrow the interval most. */
function Question({ session, found, onMade }) {
  const { asks } = found.verdict;
  const [state, busy, problem] = useAction(async (place) => onMade(await session.post(`/v1/datasets/${found.dataset_id}/effects`, restated(found, place))));
  const isOutcome = asks === found.outcome || found.outcome.startsWith(`${asks}=`);
  const places = [["before", "Before"], ["after", "After"], ["dont_know", "Don't know"]].filter(([place]) => !found[place].includes(asks) && !(place === "before" && isOutcome));
  return html`<div class="notice next" role="group" aria-label="What to state next"><p>Does <b>${asks}</b> come before or after <b>${found.treatment}</b>?</p>
    <div class="row">${places.map(([place, text]) => html`<button disabled=${busy} onClick=${() => state(place)}>${text}</button>`)}<span class="quiet">Estimates again with this.</span></div><${Failure} problem=${problem} /></div>`;
}

function RestsOn({ statements }) {
  if (!statements.length) return html`<li>Nobody said what comes first.</li>`;
  return statements.map((one) => html`<li>${listed(one.earlier)} before ${listed(one.later)} (${[ORIGINS[one.origin] ?? one.origin, one.author, KINDS_OF_AUTHOR[one.author_kind], one.time && when(one.time)].filter(Boolean).join(", ")})</li>`);
}

/** The elasticity with its interval, or why there is none. */
function Elasticity({ of }) {
  const value = of.value == null ? "" : `${number(of.value, 3, true)}, `;
  return html`<p class="quiet">${of.text}${of.low != null && `: ${value}between ${number(of.low, 3, true)} and ${number(of.high, 3, true)}.`}</p>`;
}

function Details({ found }) {
  const { sensitivity, checks } = found;
  return html`<details><summary>What it rests on, and what was checked</summary><ul><${RestsOn} statements=${found.verdict.rests_on} />
    ${found.open_columns?.length > 0 && html`<li>Nobody stated the place of ${listed(found.open_columns)}.</li>`}
    ${(checks ?? []).map((check) => html`<li>${check.name}, ${check.outcome}: ${check.detail}</li>`)}
    ${sensitivity && html`<li>An unseen cause that explains ${percent(sensitivity.robustness, 0)} of what is left of both columns would bring the effect to 0; ${percent(sensitivity.robustness_near, 0)} would bring the nearer end of the interval there.</li>`}
    ${(sensitivity?.yardsticks ?? []).map((one) => html`<li>Without ${one.column} the effect moves by ${number(one.shift, 3)}.</li>`)}
    ${sensitivity?.unseen && html`<li>Even with an unseen cause as strong as ${sensitivity.yardsticks[0].column}: ${number(sensitivity.unseen.low, 3, true)} to ${number(sensitivity.unseen.high, 3, true)}.</li>`}
    ${found.naive != null && html`<li>The plain difference of averages is ${number(found.naive, 3)}.</li>`}</ul></details>`;
}

export function Answer({ session, found, onMade }) {
  const { verdict, precision, effective_rows: effective } = found;
  return html`${verdict
    ? html`<div class="verdict"><span class=${`status ${verdict.kind.replace(" ", "-")}`}>${KINDS[verdict.kind]}</span><p class="lead">${verdict.text}</p>
      ${verdict.kind !== "contradicted" && html`<p class="quiet">Precision: ${precision}${effective != null ? `, ${number(effective)} effective rows in the smaller arm` : ""}.</p>`}</div>`
    : html`<p class="notice warn">${MADE_BEFORE}</p>`}
    ${verdict?.asks && onMade && html`<${Question} session=${session} found=${found} onMade=${onMade} />`}
    ${verdict?.presumes && onMade && html`<${Confirm} id=${`confirm-${found.effect_id}`} session=${session} path=${`/v1/datasets/${found.dataset_id}/effects`} presumes=${verdict.presumes} request=${{ ...restated(found), before: [], after: [], dont_know: [] }} known=${found.blocks} onMade=${onMade} />`}
    ${found.ace && html`<${Figures} found=${found} />${found.elasticity && html`<${Elasticity} of=${found.elasticity} />`}<${Segments} found=${found} />`}${verdict && html`<${Details} found=${found} />`}
    ${(found.warnings ?? []).map((text) => html`<p class="notice warn">${text}</p>`)}`;
}

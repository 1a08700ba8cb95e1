// Price questions: ask one that the names of columns tell or that of other columns, and show curves and points.
import { Failure, number, percent, useAction } from "../ui.js";
import { html, useState } from "../vendor/preact.js";
import { ColumnSelect, usableColumns } from "./controls.js";

const METHODS = { van_westendorp: "van Westendorp", gabor_granger: "Gabor and Granger" };
const STEPS = ["Too cheap", "Cheap", "Expensive", "Too expensive"];
const OTHERS = { four: "van Westendorp: other columns", each: "Gabor and Granger: a column for each price", one: "Gabor and Granger: a column with the highest price" };
const [FEWEST, MOST, MOST_LEVELS] = [3, 20, 11]; // prices of Gabor and Granger, and answers of a scale
const [WIDTH, HEIGHT, PAD] = [320, 90, 4];
const put = (list, at, one) => list.map((old, place) => place === at ? one : old);

/** A column for each price, the prices where the names do not tell them, and the answers that mean buying. */
function EachPrice({ columns, own, onChange }) {
  const set = (change) => onChange({ ...own, ...change });
  const most = Math.min(MOST, columns.length);
  const resize = (asked) => {
    const length = Math.min(Math.max(asked, FEWEST), most);
    set({ each: Array.from({ length }, (_, at) => own.each[at] ?? columns[at].name), at: own.at.slice(0, length) });
  };
  const levels = columns.find((one) => one.name === own.each[0]).levels;
  return html`<div class="field"><label for="price-count">Prices asked about</label><input id="price-count" type="number" min=${FEWEST} max=${most} value=${own.each.length} onChange=${(event) => resize(Number(event.target.value))} /></div>
    ${own.each.map((name, at) => html`<${ColumnSelect} id=${`price-${at}`} label=${`Answers ${at + 1}`} columns=${columns} value=${name} onChange=${(next) => set({ each: put(own.each, at, next), buys: at ? own.buys : [] })} />
      <div class="field"><label for=${`price-at-${at}`}>Price of answers ${at + 1}, if its name does not tell</label><input id=${`price-at-${at}`} type="number" min="0" step="any" required=${own.at.some(Boolean)} value=${own.at[at] ?? ""} onInput=${(event) => set({ at: own.each.map((_, place) => place === at ? event.target.value : own.at[place] ?? "") })} /></div>`)}
    <div class="field"><label for="price-buys">Answers that mean buying; none chosen: yes, or the two highest (of three, the highest)</label><select id="price-buys" multiple onChange=${(event) => set({ buys: [...event.target.selectedOptions].map((one) => one.value) })}>
      ${levels.map((level) => html`<option value=${level.value} selected=${own.buys.includes(level.value)}>${level.label ?? level.value}</option>`)}</select></div>`;
}

export function AskPrices({ session, dataset, schema, onMade }) {
  const usable = usableColumns(schema);
  const columns = usable.filter((column) => column.kind === "integer" || column.kind === "numeric");
  const scales = usable.filter((column) => column.levels.length > 1 && column.levels.length <= MOST_LEVELS);
  const found = schema.prices ?? [];
  const others = [columns.length >= 4 && "four", scales.length >= FEWEST && "each", columns.length && "one"].filter(Boolean);
  const first = (of, count) => of.slice(0, count).map((column) => column.name);
  const [which, setWhich] = useState(found.length ? "0" : others[0]);
  const [own, setOwn] = useState({ four: first(columns, 4), each: first(scales, FEWEST), one: first(columns, 1), at: [], buys: [] });
  const prices = own.at.some(Boolean) ? own.each.map((_, at) => Number(own.at[at])) : [];
  const asked = found[which] ?? { method: which === "four" ? "van_westendorp" : "gabor_granger", columns: own[which], ...(which === "each" && { prices, buys: own.buys }) };
  const [ask, busy, problem] = useAction(async () => onMade(await session.post(`/v1/datasets/${dataset.dataset_id}/segments`, { prices: asked })));
  if (!found.length && !others.length) return null;
  const labels = { four: STEPS, one: ["Highest price"] }[which] ?? [];
  return html`<form class="card effect-form" onSubmit=${(event) => { event.preventDefault(); ask(); }}>
    <div class="field"><label for="price-question">Prices</label><select id="price-question" value=${which} onChange=${(event) => setWhich(event.target.value)}>
      ${found.map((one, at) => html`<option value=${String(at)}>${METHODS[one.method]}: ${one.columns.join(", ")}</option>`)}${others.map((key) => html`<option value=${key}>${OTHERS[key]}</option>`)}</select></div>
    ${labels.map((label, at) => html`<${ColumnSelect} id=${`price-${at}`} label=${label} columns=${columns} value=${own[which][at]} onChange=${(name) => setOwn({ ...own, [which]: put(own[which], at, name) })} />`)}
    ${which === "each" && html`<${EachPrice} columns=${scales} own=${own} onChange=${setOwn} />`}
    <div><button class="primary" disabled=${busy}>${busy ? "Sending" : "Ask prices"}</button></div><${Failure} problem=${problem} /></form>`;
}

function Curve({ of, prices, top }) {
  const x = (price) => (PAD + ((WIDTH - 2 * PAD) * (price - prices[0])) / (prices.at(-1) - prices[0] || 1)).toFixed(1);
  const y = (value) => (PAD + (HEIGHT - 2 * PAD) * (1 - value / (top || 1))).toFixed(1);
  const path = (values) => values.map((value, at) => `${x(prices[at])} ${y(value)}`).join("L");
  const back = [...of.low].reverse().map((value, at) => `${x(prices[prices.length - 1 - at])} ${y(value)}`).join("L");
  return html`${of.low.length > 0 && html`<path class="real" d=${`M${path(of.high)}L${back}z`} />`}<path class="line" d=${`M${path(of.values)}`} />`;
}

function Picture({ curves, prices }) {
  const top = Math.max(...curves.flatMap((one) => [...one.values, ...one.high]));
  const names = curves.map((one) => one.name).join(", ");
  return html`<svg class="distribution wave-line" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${`${names} by price, 0 to ${number(top, 2)}; the table has the figures`}>${curves.map((one) => html`<${Curve} of=${one} prices=${prices} top=${top} />`)}</svg>
    <p class="quiet ends"><span>${number(prices[0], 2)}</span><span>${names}</span><span>${number(prices.at(-1), 2)}</span></p>`;
}

export function Prices({ of, id }) {
  const { curves, prices } = of;
  const pictures = curves[0].low.length ? curves.map((one) => [one]) : [curves];
  const cell = (one, at) => {
    const figure = (value) => one.name === "revenue" ? number(value, 2) : percent(value);
    return `${figure(one.values[at])}${one.low.length ? ` (${figure(one.low[at])} to ${figure(one.high[at])})` : ""}`;
  };
  return html`<ul>${of.text.split("\n").map((line) => html`<li>${line}</li>`)}</ul>${pictures.map((one) => html`<${Picture} curves=${one} prices=${prices} />`)}
    <div class="scroll" tabindex="0" role="region" aria-label=${`Curves ${id}`}><table><caption class="quiet">By price. Revenue is that of one person asked.</caption><thead><tr><th scope="col">Price</th>${curves.map((one) => html`<th scope="col">${one.name}</th>`)}</tr></thead>
      <tbody>${prices.map((price, at) => html`<tr><th scope="row">${number(price, 2)}</th>${curves.map((one) => html`<td class="interval">${cell(one, at)}</td>`)}</tr>`)}</tbody></table></div>`;
}

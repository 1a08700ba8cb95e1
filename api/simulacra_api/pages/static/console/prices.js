// Price questions: ask one that the names of columns tell or four columns, and show curves and points.
import { Failure, number, percent, useAction } from "../ui.js";
import { html, useState } from "../vendor/preact.js";
import { ColumnSelect, usableColumns } from "./controls.js";

const METHODS = { van_westendorp: "van Westendorp", gabor_granger: "Gabor and Granger" };
const STEPS = ["Too cheap", "Cheap", "Expensive", "Too expensive"];
const [WIDTH, HEIGHT, PAD] = [320, 90, 4];

export function AskPrices({ session, dataset, schema, onMade }) {
  const columns = usableColumns(schema).filter((column) => column.kind === "integer" || column.kind === "numeric");
  const found = schema.prices ?? [];
  const [which, setWhich] = useState(found.length ? 0 : -1);
  const [own, setOwn] = useState(columns.slice(0, 4).map((column) => column.name));
  const asked = found[which] ?? { method: "van_westendorp", columns: own };
  const [ask, busy, problem] = useAction(async () => onMade(await session.post(`/v1/datasets/${dataset.dataset_id}/segments`, { prices: asked })));
  if (!found.length && columns.length < 4) return null;
  return html`<form class="card effect-form" onSubmit=${(event) => { event.preventDefault(); ask(); }}>
    <div class="field"><label for="price-question">Prices</label><select id="price-question" value=${which} onChange=${(event) => setWhich(Number(event.target.value))}>
      ${found.map((one, at) => html`<option value=${at}>${METHODS[one.method]}: ${one.columns.join(", ")}</option>`)}${columns.length >= 4 && html`<option value=${-1}>van Westendorp: other columns</option>`}</select></div>
    ${which < 0 && STEPS.map((step, at) => html`<${ColumnSelect} id=${`price-${at}`} label=${step} columns=${columns} value=${own[at]} onChange=${(name) => setOwn(own.map((one, place) => place === at ? name : one))} />`)}
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

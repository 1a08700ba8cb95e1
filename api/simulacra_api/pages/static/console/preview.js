// The first rows of a generation and how its columns are distributed, read from the beginning of the CSV.
import { Failure, number, percent, useAction } from "../ui.js";
import { html, useState } from "../vendor/preact.js";

const SHOWN_ROWS = 8;
const COUNTED_ROWS = 2000;
const MOST_BYTES = 4_000_000;
const SHOWN_COLUMNS = 24;
const SHOWN_LEVELS = 6;
const BINS = 16;
const WIDTH = 200;
const HEIGHT = 44;

/** Rows of a CSV (RFC 4180) whose end may be cut off; an unfinished last row is left out. */
function parse(text, complete) {
  const rows = [];
  let row = [];
  let cell = "";
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (text[at + 1] === '"') { cell += '"'; at++; } else quoted = false;
    } else if (sign === '"') quoted = true;
    else if (sign === ",") { row.push(cell); cell = ""; } else if (sign === "\n") {
      rows.push([...row, cell.replace(/\r$/, "")]);
      row = [];
      cell = "";
    } else cell += sign;
  }
  if (complete && (cell || row.length)) rows.push([...row, cell]);
  return rows;
}

/** A value as it is, or with six decimals when it is a number with more. */
const shortened = (value) => /^-?\d*\.\d{7,}$/.test(value) ? number(value, 6) : value;

/** Counts of the values in equal bins, or of the most frequent levels. */
function marginal(values) {
  const present = values.filter((value) => value !== "");
  const counts = new Map();
  for (const value of present) counts.set(value, (counts.get(value) ?? 0) + 1);
  const numbers = present.map(Number);
  if (counts.size <= SHOWN_LEVELS + 2 || numbers.some((value) => !Number.isFinite(value))) {
    const levels = [...counts].sort((one, other) => other[1] - one[1]);
    return { levels: levels.slice(0, SHOWN_LEVELS), others: levels.length - SHOWN_LEVELS, rows: values.length };
  }
  const low = numbers.reduce((least, value) => Math.min(least, value));
  const high = numbers.reduce((most, value) => Math.max(most, value));
  const bins = Array(BINS).fill(0);
  for (const value of numbers) bins[Math.min(BINS - 1, Math.floor(((value - low) / (high - low)) * BINS))]++;
  return { bins, low, high, mean: numbers.reduce((sum, value) => sum + value, 0) / numbers.length };
}

function Histogram({ of }) {
  const most = Math.max(...of.bins);
  const step = WIDTH / BINS;
  const text = `${number(of.low, 4)} to ${number(of.high, 4)}, mean ${number(of.mean, 2)}`;
  return html`<svg class="histogram" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${text}>${of.bins.map((count, at) => html`<rect x=${at * step + 1} y=${HEIGHT - (count / most) * HEIGHT} width=${step - 2} height=${(count / most) * HEIGHT} />`)}</svg><p class="quiet">${text}</p>`;
}

function Levels({ of }) {
  const most = Math.max(1, ...of.levels.map(([, count]) => count));
  return html`<ul class="levels">${of.levels.map(([value, count]) => html`<li><span>${shortened(value)}</span><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width=${(count / most) * 100} height="6" rx="1" /></svg><span class="quiet">${percent(count / of.rows)}</span></li>`)}</ul>${of.others > 0 && html`<p class="quiet">and ${number(of.others)} more</p>`}`;
}

export function Preview({ session, id }) {
  const [rows, setRows] = useState(null);
  const [all, setAll] = useState(false);
  const [read, busy, problem] = useAction(async () => {
    const { artifact_url: url } = await session.get(`/v1/generations/${id}`);
    const { text, complete } = await session.beginning(`${url}&format=csv`, MOST_BYTES);
    setRows(parse(text, complete).slice(0, COUNTED_ROWS + 1));
  });
  if (!rows) return html`<div class="row"><button disabled=${busy} onClick=${read}>${busy ? "Reading the first rows" : "Preview the rows"}</button><span class="quiet">Reads the beginning of the file, which is recorded like a download.</span></div><${Failure} problem=${problem} />`;
  const [columns, ...body] = rows;
  const shown = all ? columns : columns.slice(0, SHOWN_COLUMNS);
  return html`<section aria-labelledby="preview-title"><h2 id="preview-title">Preview</h2>
    <div class="scroll sample" tabindex="0" role="region" aria-label="First rows"><table><thead><tr>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${body.slice(0, SHOWN_ROWS).map((row) => html`<tr>${row.map((value) => html`<td>${shortened(value) || html`<span class="quiet">missing</span>`}</td>`)}</tr>`)}</tbody></table></div>
    <h3>Columns in the first ${number(body.length)} rows</h3>
    <ul class="cards marginals">${shown.map((name, at) => {
      const of = marginal(body.map((row) => row[at]));
      return html`<li class="card column" key=${name}><h4>${name}</h4>${of.bins ? html`<${Histogram} of=${of} />` : html`<${Levels} of=${of} />`}</li>`;
    })}</ul>
    ${columns.length > shown.length && html`<button class="plain" onClick=${() => setAll(true)}>Show all ${number(columns.length)} columns</button>`}</section>`;
}

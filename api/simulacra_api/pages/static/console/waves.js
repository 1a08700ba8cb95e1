// What moved between the waves of a survey, from the report of a model: a line with its band an answer.
import { number, percent } from "../ui.js";
import { html, useState } from "../vendor/preact.js";

const WIDTH = 340;
const HEIGHT = 90;
const PAD = 4;
const LEAST_SPAN = 0.1;
const SHOWN = 24;

/** Points of neighboring waves; a wave without a share, of few persons, parts them. */
function runs(of) {
  const found = [];
  of.shares.forEach((share, at) => {
    if (share == null) return;
    const last = found.at(-1);
    const point = { at, share, low: share - of.margins[at], high: share + of.margins[at] };
    if (last?.at(-1).at === at - 1) last.push(point);
    else found.push([point]);
  });
  return found;
}

function Line({ of, waves }) {
  const found = runs(of);
  const points = found.flat();
  const [low, high] = [Math.max(Math.min(...points.map((one) => one.low)), 0), Math.min(Math.max(...points.map((one) => one.high)), 1)];
  const more = Math.max(LEAST_SPAN - (high - low), 0) / 2;
  const [bottom, top] = [Math.max(low - more, 0), Math.min(high + more, 1)];
  const x = (at) => (PAD + (at * (WIDTH - 2 * PAD)) / Math.max(waves.length - 1, 1)).toFixed(1);
  const y = (share) => (PAD + ((HEIGHT - 2 * PAD) * (top - Math.min(Math.max(share, bottom), top))) / (top - bottom)).toFixed(1);
  const path = (run, end) => run.map((one) => `${x(one.at)} ${y(one[end])}`).join("L");
  return html`<svg class="distribution wave-line" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${`${of.column}: ${of.answer}, ${percent(bottom)} to ${percent(top)}`}>
      ${found.map((run) => html`<path class="real" d=${`M${path(run, "high")}L${path([...run].reverse(), "low")}z`} /><path class=${run.length === 1 ? "line alone" : "line"} d=${`M${path(run, "share")}${run.length === 1 ? "h.1" : ""}`} />`)}</svg>
    <p class="quiet ends"><span>${waves[0].wave}: ${of.shares[0] == null ? "few" : percent(of.shares[0])}</span><span>${waves.at(-1).wave}: ${of.shares.at(-1) == null ? "few" : percent(of.shares.at(-1))}</span></p>`;
}

/** Answers that moved, or all of them: what moved comes first. */
export function Waves({ of }) {
  const [all, setAll] = useState(false);
  const moved = of.answers.filter((one) => one.verdict !== "no sign");
  const shown = all ? of.answers : moved.slice(0, SHOWN);
  const small = of.waves.filter((one) => !one.tested).map((one) => one.wave);
  return html`<section aria-labelledby="waves-title"><h2 id="waves-title">Waves</h2><p>${of.sentence}</p>
    ${small.length > 0 && html`<p class="quiet">Waves of fewer than 100 rows are not tested: ${small.join(", ")}.</p>`}
    ${of.to_confirm?.length > 0 && html`<h3>To confirm</h3><p>Not compared before you say so under “Read as”, or at the next upload.</p><ul>${of.to_confirm.map((one) => html`<li key=${one}>${one}</li>`)}</ul>`}
    ${shown.length > 0 && html`<p class="quiet">Shares of real rows; bands are their 95 % intervals, intervals of changes hold together.</p>`}
    <ul class="cards pictures">${shown.map((one) => html`<li key=${`${one.column}: ${one.answer}`} class="card column"><h3>${one.column}: ${one.answer}</h3><p class="quiet">${one.verdict}</p><${Line} of=${one} waves=${of.waves} /><p>${one.sentence}</p></li>`)}</ul>
    ${of.answers.length > shown.length && html`<div><button onClick=${() => setAll(true)}>Show all ${number(of.answers.length)} answers</button></div>`}</section>`;
}

// Real beside generated, column by column, from the report of a model: the pictures of the report's page.
import { Failure, number, percent } from "../ui.js";
import { html, useState } from "../vendor/preact.js";
import { useLoad } from "./parts.js";
import { Waves } from "./waves.js";

const SHOWN_COLUMNS = 24;
const WIDTH = 340;
const HEIGHT = 90;
const TOP = 4;

/** Bars of each level: real above generated. The rarest levels are summed up in the last bar. */
function Levels({ of }) {
  const names = [...of.cells, ...(of.others ? [of.others === 1 ? "1 other" : `${number(of.others)} others`] : [])];
  const most = Math.max(...of.real, ...of.generated, 1e-12);
  return html`<ul class="levels compared">${names.map((name, at) => html`<li key=${at}><span>${name}</span>
    <svg viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true"><rect class="real" width=${(of.real[at] / most) * 100} height="6" /><rect class="made" y="8" width=${(of.generated[at] / most) * 100} height="6" /></svg>
    <span class="quiet">${percent(of.real[at])} · ${percent(of.generated[at])}</span></li>`)}</ul>`;
}

const day = (microseconds) => new Date(microseconds / 1000);
/** The end of a bin in words: a number, or the day of a time in microseconds since 1970. */
const end = (edge, kind) => kind === "dates" && !Number.isNaN(day(edge).getTime()) ? day(edge).toISOString().slice(0, 10) : String(Number(edge.toPrecision(6)));

/** Two histograms over each other, of bins of unequal width: real filled, generated as a line. */
function Distribution({ edges, real, generated, label, whole = false, kind = "numbers" }) {
  const scale = Math.max(Math.abs(edges[0]), Math.abs(edges.at(-1))); // the difference of huge numbers is infinite
  const places = edges.map((edge) => edge / scale);
  const spots = places.map((place) => (WIDTH * (place - places[0])) / (places.at(-1) - places[0]));
  const heights = (shares) => shares.map((share, at) => share / (spots[at + 1] - spots[at]));
  const most = Math.max(...heights(real), ...heights(generated), 1e-12);
  const outline = (shares) => `M0 ${HEIGHT}${heights(shares).map((high, at) => `V${(HEIGHT - ((HEIGHT - TOP) * high) / most).toFixed(1)}H${spots[at + 1].toFixed(1)}`).join("")}V${HEIGHT}`;
  return html`<svg class="distribution" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${label}><path class="real" d=${outline(real)} /><path class="line" d=${outline(generated)} /></svg>
    <p class="quiet ends"><span>${end(edges[0], kind)}</span><span>${end(edges.at(-1) - (whole ? 1 : 0), kind)}</span></p>`;
}

const Distances = ({ children, ...of }) => html`<li class="card column"><h3>${of.label}</h3><${Distribution} ...${of} /><p class="quiet">${children}</p></li>`;

function Column({ of, fidelity }) {
  const missing = of.missing.some((share) => share !== 0);
  const told = [`error ${number(fidelity.error, 1)} %, best attainable ${number(fidelity.floor, 1)} %`,
    ...(missing ? [`missing ${of.missing[0] == null ? "few" : percent(of.missing[0])} · ${percent(of.missing[1])}`] : [])];
  const shown = of.kind === "levels" ? of.cells.length > 0 : of.edges.length > 0;
  return html`<li class="card column"><h3>${of.column}</h3><p class="quiet">${told.join("; ")}</p>
    ${!shown ? html`<p class="quiet">Too few answers to show.</p>` : of.kind === "levels" ? html`<${Levels} of=${of} />`
      : html`<${Distribution} ...${of} label=${`Distribution of ${of.column}`} />`}</li>`;
}

const MOST_ALIKE = 5;

/** What sampling points and strata leave of the rows, and the questions most alike within points. */
function Design({ of }) {
  const points = (of.clusters ? ` of ${number(of.clusters)} points` : "") + (of.replicates ? ` and ${number(of.replicates)} replicates` : "") + (of.raked ? " raked to stated shares" : "");
  return html`<section aria-labelledby="design-title"><h2 id="design-title">Survey design</h2>
    <p>${number(of.rows)} rows${points} are worth ${number(of.respondents, 0)} respondents.</p>
    <p class="quiet">Largest design effects: ${of.questions.slice(0, MOST_ALIKE).map((one) => `${one.column} ${number(one.design_effect, 1)}`).join(", ")}. The report has all.</p></section>`;
}

/** Every compared column, worst first. Shares are those of the report: of five persons or more. */
export function Pictures({ session, path }) {
  const [report, problem] = useLoad(() => session.get(path), [session, path]);
  const [all, setAll] = useState(false);
  if (!report) return html`<${Failure} problem=${problem} />${!problem && html`<p class="quiet" role="status">Loading the pictures</p>`}`;
  const drawn = new Map((report.marginals ?? []).map((one) => [one.column, one]));
  const columns = (report.fidelity?.columns ?? []).filter((one) => drawn.has(one.column)).sort((one, other) => (one.floor - one.error) - (other.floor - other.error));
  const design = html`${report.waves && html`<${Waves} of=${report.waves} />`}${report.design && html`<${Design} of=${report.design} />`}`;
  if (!columns.length) return html`${design}${report.differential_privacy && html`<p class="quiet">Pictures of real shares are left out: they would tell of the table beyond the guarantee.</p>`}`;
  const distances = report.privacy?.distances;
  return html`${design}<section aria-labelledby="pictures-title"><h2 id="pictures-title">Real beside generated</h2>
    <p class="quiet">Shares among rows with an answer; the worst columns come first. Real shares are those of five persons or more: rarer answers are summed up.</p>
    <p class="quiet keys"><span class="key real"></span> real rows <span class="key made"></span> generated rows; shares: real · generated</p>
    <ul class="cards pictures">${(all ? columns : columns.slice(0, SHOWN_COLUMNS)).map((one) => html`<${Column} key=${one.column} of=${drawn.get(one.column)} fidelity=${one} />`)}</ul>
    ${!all && columns.length > SHOWN_COLUMNS && html`<div><button onClick=${() => setAll(true)}>Show all ${number(columns.length)} columns</button></div>`}
    ${distances && html`<ul class="cards pictures">
      <${Distances} edges=${distances.edges} real=${distances.holdout} generated=${distances.synthetic} label="Distances to the nearest training row">Filled: unseen real rows; line: generated rows. A line further left would be copying.<//>
      ${distances.unseen && html`<${Distances} edges=${distances.edges} real=${distances.unseen} generated=${distances.synthetic} label="Distances of generated rows">Filled: to the nearest unseen real row; line: to the nearest of as many training rows. The two would differ if rows were copied.<//>`}</ul>`}</section>`;
}

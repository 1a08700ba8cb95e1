// Segment estimates: ask for shares of answers in segments, and show the verdict beside each share.
import { Failure, Status, number, percent, useAction } from "../ui.js";
import { html, useMemo, useState } from "../vendor/preact.js";
import { ColumnSelect, usableColumns } from "./controls.js";
import { Erase, Progress, useLoad } from "./parts.js";
import { AskPrices, Prices } from "./prices.js";
import { useSchema } from "./schema.js";

/** A column of the segment and one of its levels, or each of them. */
function Part({ id, label, columns, name, level, none, next, onChange }) {
  const column = columns.find((one) => one.name === name);
  return html`<${ColumnSelect} id=${id} label=${label} columns=${columns} value=${name} none=${none} onChange=${(next) => onChange(next, "")} />
    ${column && html`<div class="field"><label for=${`${id}-level`}>Level of ${name}</label><select id=${`${id}-level`} value=${level} onChange=${(event) => onChange(name, event.target.value)}>
      <option value="">Each level</option>${next && html`<option value="next">The next wave</option>`}${column.levels.map((one) => html`<option value=${one.value}>${one.label ?? one.value}</option>`)}</select></div>`}`;
}

function Ask({ session, dataset, schema, onMade }) {
  const columns = useMemo(() => usableColumns(schema).filter((column) => column.levels.length > 0), [schema]);
  const wave = !schema.columns.some((one) => one.role === "subject") && columns.find((one) => one.role === "wave");
  const [first, setFirst] = useState([(columns.find((one) => one !== wave) ?? columns[0])?.name, ""]);
  const [second, setSecond] = useState(["", ""]);
  const [question, setQuestion] = useState("");
  const [when, setWhen] = useState(["", ""]);
  const isBeside = wave && first[0] !== wave.name && second[0] !== wave.name;
  const parts = [first, second, ...(isBeside ? [when] : [])].filter(([name]) => name);
  const hasNext = wave && first[0] === wave.name && !second[0] && wave.levels.length >= 4 && !wave.levels.some((one) => one.value === "next");
  const others = (...taken) => columns.filter((one) => !taken.includes(one.name));
  const asked = others(...parts.map(([name]) => name));
  const shown = asked.some((one) => one.name === question) ? question : (asked.find((one) => one !== wave) ?? asked[0])?.name;
  const [ask, busy, problem] = useAction(async () => onMade(await session.post(`/v1/datasets/${dataset.dataset_id}/segments`, {
    segment: parts.map(([column, level]) => ({ column, levels: level ? [level] : [] })), questions: [shown],
  })));
  if (columns.length < 2) return html`<p class="empty">A segment estimate needs two columns with levels.</p>`;
  return html`<form class="card effect-form" onSubmit=${(event) => { event.preventDefault(); ask(); }}>
    <${Part} id="segment-first" label="Segment" columns=${others(second[0])} name=${first[0]} level=${first[1]} next=${hasNext} onChange=${(...next) => setFirst(next)} />
    <${Part} id="segment-second" label="And" columns=${others(first[0])} name=${second[0]} level=${second[1]} none="No second column" onChange=${(...next) => setSecond(next)} />
    ${isBeside && html`<${Part} id="segment-wave" label="In wave" columns=${[wave]} name=${when[0]} level=${when[1]} none="All waves together" onChange=${(...next) => setWhen(next)} />`}
    <${ColumnSelect} id="segment-question" label="Question" columns=${asked} value=${shown} onChange=${setQuestion} />
    <div><button class="primary" disabled=${busy || !shown}>${busy ? "Sending" : "Certify"}</button></div><${Failure} problem=${problem} /></form>`;
}

const where = (share) => share.segment.map((part) => `${part.column}: ${part.level}`).join(", ");
const interval = (of) => of ? `${percent(of.share)} (${percent(of.low)} to ${percent(of.high)})` : "fewer than ten";

const points = (share) => `${share > 0 ? "+" : ""}${number(100 * share, 1)}`;
const moved = (of) => of ? `${points(of.change)} points (${points(of.low)} to ${points(of.high)}), ${of.verdict}` : "not told";

function Next({ found }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${`Shares ${found.segment_id}`}><table><caption class="quiet">The next wave. Each interval holds by itself.</caption>
    <thead><tr><th scope="col">Answer</th><th scope="col">Share, 95 %</th><th scope="col">80 %</th><th scope="col">Verdict</th><th scope="col">Worth</th><th scope="col">Last wave carried forward</th><th scope="col">Error in past waves</th><th scope="col">Of carrying forward</th></tr></thead>
    <tbody>${found.shares.map(({ next, ...share }) => html`<tr><th scope="row">${share.question}: ${share.answer}</th><td class="interval">${interval(share)}</td><td class="interval">${percent(next.low80)} to ${percent(next.high80)}</td><td>${share.verdict}</td><td>${number(share.worth)}</td><td>${percent(next.carried)}</td><td>${number(100 * next.error, 1)} points</td><td>${number(100 * next.carried_error, 1)} points</td></tr>`)}</tbody></table></div>`;
}

function Shares({ found }) {
  if (found.reason) return html`<p class="notice">${found.reason}</p>`;
  if (found.price_answer) return html`<${Prices} of=${found.price_answer} id=${found.segment_id} />`;
  const together = found.shares.length > 1 ? `All ${found.shares.length} intervals hold together with 95 %.` : "The interval holds with 95 %.";
  if (found.shares.some((share) => share.next)) return html`<${Next} found=${found} />`;
  const ofWaves = found.shares.some((share) => share.helped || share.change);
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${`Shares ${found.segment_id}`}><table><caption class="quiet">${together}</caption>
    <thead><tr><th scope="col">Segment</th><th scope="col">Answer</th><th scope="col">Share</th><th scope="col">Verdict</th><th scope="col">Worth</th><th scope="col">Respondents</th><th scope="col">They alone</th>${ofWaves && html`<th scope="col">Of other waves</th><th scope="col">Since the wave before</th>`}</tr></thead>
    <tbody>${found.shares.map((share) => html`<tr><th scope="row">${where(share)}</th><td>${share.question}: ${share.answer}</td><td class="interval">${interval(share)}</td><td>${share.verdict === "slightly" ? "slightly boosted" : share.verdict}</td><td>${number(share.worth)}</td><td>${share.respondents ? number(share.respondents) : "fewer than five"}</td><td class="interval">${interval(share.own)}</td>${ofWaves && html`<td>${share.helped ? number(share.helped) : "none"}</td><td class="interval">${moved(share.change)}</td>`}</tr>`)}</tbody></table></div>`;
}

export function Segment({ session, id, back }) {
  const path = `/v1/segments/${id}`;
  const [found, problem, again] = useLoad(() => session.get(path), [session, id]);
  if (problem?.status === 404) return null;
  if (!found) return html`<li class="card"><${Failure} problem=${problem} />${!problem && html`<p role="status">Loading</p>`}</li>`;
  const title = found.segment.map((part) => part.levels.length ? `${part.column}: ${part.levels.join(", ")}` : part.column).join(" and ");
  return html`<li class="card effect"><div class="head"><h3>${found.prices ? `Prices: ${(found.price_answer?.question ?? found.prices).columns.join(", ")}` : `${found.questions.join(", ")} by ${title}`}</h3>${found.status !== "ready" && html`<${Status} of=${found.status} />`}</div>
    <${Progress} session=${session} jobId=${found.job_id} status=${found.status} onEnd=${again} />
    ${found.error && html`<div class="notice bad" role="alert"><p>${found.error.detail}</p></div>`}${found.status === "ready" && html`<${Shares} found=${found} />`}
    <${Erase} session=${session} path=${path} id=${id} back=${back ?? `#/datasets/${found.dataset_id}/segments`} what="This estimate will be erased." /></li>`;
}

export function Segments({ session, dataset }) {
  const [schema, problem] = useSchema(session, dataset);
  const [segments, trouble, again] = useLoad(() => session.list(`/v1/segments?limit=100&dataset_id=${dataset.dataset_id}`), [session, dataset.dataset_id]);
  return html`<section aria-labelledby="segments-title"><h2 id="segments-title">Segments</h2><p class="quiet lead">Shares of answers among few respondents. Similar segments say something about them too: each share has its interval, what it is worth in respondents, and whether that is better than the respondents alone. Price questions are of all respondents.</p><${Failure} problem=${problem ?? trouble} />
    ${schema && html`<${Ask} session=${session} dataset=${dataset} schema=${schema} onMade=${again} /><${AskPrices} session=${session} dataset=${dataset} schema=${schema} onMade=${again} />`}
    ${segments && (segments.length ? html`<ul class="stack">${segments.map((one) => html`<${Segment} key=${one.segment_id} session=${session} id=${one.segment_id} />`)}</ul>` : html`<p class="empty">No segment estimates yet.</p>`)}</section>`;
}

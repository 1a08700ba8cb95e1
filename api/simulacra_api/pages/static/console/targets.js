// Shares of the population that the rows of a table are weighted to.
import { html, useState } from "../vendor/preact.js";

const EXAMPLE = "{\"region\": {\"north\": 0.3, \"south\": 0.7}}";
const PARTS = ["categorical", "quotas", "trim"];
const percent = (share) => `${Number((100 * share).toPrecision(4))} %`;

const isObject = (one) => one !== null && typeof one === "object" && !Array.isArray(one);
/** A part of a cell as `simulacra upload --targets` writes it. */
const valueOf = (part) => isObject(part) ? part.levels?.join(" or ") ?? `${part.min ?? part.earliest ?? ""}..${part.max ?? part.latest ?? ""}` : [part].flat().join(" or ");

/** The targets with those that are added, which take the place of others of the same column. */
function joined(targets, given) {
  const added = isObject(given) && Object.keys(given).every((key) => PARTS.includes(key)) ? given : { categorical: given };
  const { categorical = {}, quotas = [] } = added;
  if (![categorical, ...Object.values(categorical)].every(isObject) || !Array.isArray(quotas) || !Object.keys(added).length) throw new SyntaxError();
  return { ...targets, ...added, categorical: { ...targets.categorical, ...categorical }, quotas: [...(targets.quotas ?? []), ...quotas] };
}

function Line({ cell, share }) {
  return html`<tr><th scope="row">${cell}</th><td>${percent(share)}</td></tr>`;
}

/** The targets of a table; without `onChange` they cannot be changed. */
export function Targets({ extension, heading = "h3", onChange }) {
  const targets = extension?.targets;
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  if (!onChange && !targets) return null;
  const set = (next) => { onChange({ ...extension, targets: next }); setText(""); setProblem(""); };
  const add = () => {
    try {
      set(joined(targets ?? {}, JSON.parse(text)));
    } catch {
      setProblem(`Write the shares as JSON, such as ${EXAMPLE}.`);
    }
  };
  const levels = Object.entries(targets?.categorical ?? {}).flatMap(([column, shares]) => Object.entries(shares).map(([level, share]) => [`${column}: ${level}`, share]));
  const cells = (targets?.quotas ?? []).map(({ where, share }) => [Object.entries(where).map(([column, part]) => `${column}: ${valueOf(part)}`).join(", "), share]);
  return html`<${heading}>Population shares<//><p class="quiet">Rows are weighted until these shares hold (raking). Every figure and every generated row follows these weights.${targets?.trim && ` No weight is above ${targets.trim} times the mean.`}</p>
    ${targets && html`<div class="scroll" tabindex="0" role="region" aria-label="Shares of the population"><table><thead><tr><th scope="col">Level or cell</th><th scope="col">Share</th></tr></thead><tbody>
      ${[...levels, ...cells].map(([cell, share]) => html`<${Line} cell=${cell} share=${share} />`)}</tbody></table></div>`}
    ${onChange && html`<div class="row"><input aria-label="Shares of the population as JSON" placeholder=${EXAMPLE} value=${text} autocomplete="off" spellcheck="false" onInput=${(event) => setText(event.target.value)} /><button class="plain" disabled=${!text.trim()} onClick=${add}>Add shares</button>
      ${targets && html`<button class="plain" onClick=${() => set(undefined)}>Remove all shares</button>`}${problem && html`<span role="alert">${problem}</span>`}</div>`}`;
}

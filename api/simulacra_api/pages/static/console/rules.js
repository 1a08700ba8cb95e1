// Rules of a description: stated ones, those that were found, and proposals, with what confirms or removes each.
import { html, useState } from "../vendor/preact.js";

const EXTENSION = "x-simulacra";
const KINDS = { not_above: "≤", decided: "is decided by", linear: "is computed from", product: "is computed from", ratio: "is computed from", logarithm: "is computed from", square: "is computed from", root: "is computed from", picked: "is one of", years: "= years from" };
const listOf = (names) => names.join(", ");

/** A rule or a found relation as a sentence. */
export function words(rule) {
  if (rule.text) return rule.text;
  if (rule.kind === "exactly_one" || rule.kind === "at_most_one") return `${rule.kind.replaceAll("_", " ")} of ${listOf([rule.column, ...rule.of])} is yes`;
  if (rule.kind === "all_different") return `no two of ${listOf([rule.column, ...rule.of])} are alike`;
  return rule.kind ? `${rule.column} ${KINDS[rule.kind]} ${listOf(rule.of)}` : JSON.stringify(rule);
}

function Line({ state, rule, remark, act, onAct }) {
  const text = words(rule);
  return html`<tr><th scope="row">${text}</th><td>${state}</td><td class="quiet">${remark ?? ""}</td>
    <td>${onAct && html`<button class="plain" aria-label=${`${act}: ${text}`} onClick=${onAct}>${act}</button>`}</td></tr>`;
}

/** The rules of a table; without `onChange` nothing can be confirmed or removed. */
export function Rules({ extension, heading = "h3", onChange }) {
  const { rules = [], relations = [], proposals = [], evidence = {} } = extension ?? {};
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const set = onChange && ((change) => onChange({ ...extension, ...change }));
  const without = (list, at) => list.filter((_, index) => index !== at);
  const add = () => {
    try {
      set({ rules: [...rules, JSON.parse(text)] });
      setText("");
      setProblem("");
    } catch {
      setProblem("Write the rule as JSON, such as {\"compare\": [\"education\", \"<=\", \"age\"]}.");
    }
  };
  if (!onChange && !rules.length && !relations.length && !proposals.length) return null;
  return html`<${heading}>Rules<//><p class="quiet">Stated and found rules hold in every generated row. Proposals are not in use until you confirm them.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Rules of the table"><table><thead><tr><th scope="col">Rule</th><th scope="col">State</th><th scope="col">In the upload</th><th scope="col">Change</th></tr></thead><tbody>
      ${rules.map((rule, at) => html`<${Line} state="stated" rule=${rule} remark=${evidence[`rules/${at}`]} act="Remove" onAct=${set && (() => set({ rules: without(rules, at) }))} />`)}
      ${relations.map((rule, at) => html`<${Line} state="found" rule=${rule} act="Remove" onAct=${set && (() => set({ relations: without(relations, at) }))} />`)}
      ${proposals.map((rule, at) => html`<${Line} state="proposed" rule=${rule} act="Confirm" onAct=${set && (() => set({ rules: [...rules, rule], proposals: without(proposals, at) }))} />`)}
    </tbody></table></div>
    ${set && html`<div class="row"><input aria-label="Rule as JSON" value=${text} autocomplete="off" spellcheck="false" onInput=${(event) => setText(event.target.value)} /><button class="plain" disabled=${!text.trim()} onClick=${add}>Add a rule</button>${problem && html`<span role="alert">${problem}</span>`}</div>`}`;
}

/** The description with another extension of the table. */
export const withExtension = (description, extension) => ({ ...description, schema: { ...description.schema, [EXTENSION]: extension } });

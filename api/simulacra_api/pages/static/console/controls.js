// Sliders for conditions and fields for do(), built from a column of the schema.
import { number, percent } from "../ui.js";
import { html } from "../vendor/preact.js";

const numeric = (column) => column.kind === "integer" || column.kind === "numeric";
/** Whether to show a slider per level: for categories, and for numbers with few values. */
export const hasShares = (column) => column.levels.length > 0 && (!numeric(column) || column.levels.length <= 8);
/** The options of a column of several answers, each as a yes/no column; other columns as they are. */
const options = (column) => column.kind !== "multi" ? [column] : column.levels.map(({ value, share }) => ({
  ...column, name: `${column.name}: ${value}`, kind: "boolean", levels: [{ value: "no", share: 1 - share }, { value: "yes", share }],
}));
/** The columns that a condition or an intervention can name. */
export const usableColumns = (schema) => schema.columns.flatMap(options).filter(settable);
const settable = (column) => column.learned && column.kind !== "datetime" && (numeric(column) || column.levels.length > 0);
const stepOf = (column) => column.kind === "integer" ? 1 : Math.max(10 ** -(column.decimals ?? 4), (column.maximum - column.minimum) / 1000);

/** Shares of levels; the other levels keep their learned proportions. `value` maps levels to shares. */
function Shares({ column, value, onChange }) {
  const asked = Object.values(value).reduce((sum, share) => sum + share, 0);
  const set = (level, share) => onChange({ ...value, [level]: Math.round(share * 10000) / 10000 });
  const free = (level) => { const { [level]: _, ...rest } = value; onChange(rest); };
  const natural = column.levels.reduce((sum, level) => level.value in value ? sum : sum + level.share, 0);
  const followed = (level) => Object.keys(value).length ? Math.max(0, 1 - asked) * (natural ? level.share / natural : 0) : level.share;
  const how = Object.keys(value).length ? "follows" : "as learned";
  return html`<div class="shares">${column.levels.map((level, index) => {
    const on = level.value in value;
    const id = `${column.name}-${index}`;
    const shown = on ? value[level.value] : followed(level);
    return html`<div class=${`share ${on ? "on" : ""}`} key=${level.value}><label for=${id}>${level.label ?? level.value}</label>
      <input id=${id} type="range" min="0" max="100" step="0.5" value=${shown * 100} aria-valuetext=${`${percent(shown)}${on ? "" : `, ${how}`}`} onInput=${(event) => set(level.value, event.target.value / 100)} />
      <input class="figure" type="number" min="0" max="100" step="any" aria-label=${`${level.label ?? level.value}, percent`} value=${Number((shown * 100).toFixed(2))} onChange=${(event) => event.target.value !== "" && set(level.value, event.target.value / 100)} />
      ${on ? html`<button class="plain small" onClick=${() => free(level.value)} aria-label=${`Leave ${level.value} as learned`}>Free</button>` : html`<span class="quiet small">${how}</span>`}</div>`;
  })}<p class=${asked > 1.0001 ? "wrong" : "quiet"} role="status">${asked > 1.0001 ? `The shares sum to ${percent(asked)}. Lower one of them.` : Object.keys(value).length ? `Sum ${percent(asked)}; the other levels share ${percent(Math.max(0, 1 - asked))} in their learned proportions.` : "Move a slider or type a percentage to set a share."}</p></div>`;
}

/** A closed range; `value` is {min, max}. */
function Range({ column, value, onChange }) {
  const step = stepOf(column);
  const slider = (end, label) => {
    const id = `${column.name}-${end}`;
    const set = (event) => {
      const at = Number(event.target.value);
      onChange(end === "min" ? { min: at, max: Math.max(at, value.max) } : { min: Math.min(at, value.min), max: at });
    };
    return html`<div class="share on"><label for=${id}>${label}</label><input id=${id} type="range" min=${column.minimum} max=${column.maximum} step=${step} value=${value[end]} onInput=${set} />
      <input class="figure" type="number" aria-label=${`${column.name}, ${label.toLowerCase()}`} min=${column.minimum} max=${column.maximum} step="any" value=${value[end]} onChange=${set} /></div>`;
  };
  return html`<div class="shares">${slider("min", "At least")}${slider("max", "At most")}
    <p class="quiet">${value.min === value.max ? `Every row has ${number(value.min, 6)}.` : `Every row lies between ${number(value.min, 6)} and ${number(value.max, 6)}.`}</p></div>`;
}

/** One condition: its column, its sliders, and a button to remove it. */
export function Condition({ column, value, onChange, onRemove }) {
  return html`<fieldset class="card"><legend>${column.name}</legend><button class="plain remove" onClick=${onRemove} aria-label=${`Remove the condition on ${column.name}`}>Remove</button>
    ${hasShares(column) ? html`<${Shares} column=${column} value=${value} onChange=${onChange} />` : html`<${Range} column=${column} value=${value} onChange=${onChange} />`}</fieldset>`;
}

/** First value of a condition: no share, or the whole range. */
export const initial = (column) => hasShares(column) ? {} : { min: column.minimum, max: column.maximum };
/** First value of an intervention: the middle of the range, or the most common level. */
export const typical = (column) => numeric(column)
  ? (column.kind === "integer" ? Math.round((column.minimum + column.maximum) / 2) : (column.minimum + column.maximum) / 2)
  : column.levels.reduce((best, level) => level.share > best.share ? level : best).value;

/** What is compared if no values are stated, as the service chooses it. */
export function usual(column) {
  if (numeric(column)) return column.levels.length === 2 ? `${column.levels[1].value}, not ${column.levels[0].value}` : "75th against 25th percentile";
  if (column.levels.length === 2) return "One level against the other";
  return column.kind === "ordinal" ? "Top against bottom third" : "Each frequent level against the most frequent";
}

/** Two values to compare, value first: the ends of an order, the two most common levels; of numbers the quartiles, or the middle half of the range. */
export function twoValues(column) {
  const { kind, levels, minimum, maximum, decimals } = column;
  const type = numeric(column) ? Number : String;
  if (levels.length === 2 || kind === "ordinal") return [levels[levels.length - 1], levels[0]].map((level) => type(level.value));
  if (!numeric(column)) {
    const [first, second] = [...levels].sort((a, b) => b.share - a.share);
    return [second?.value ?? first.value, first.value];
  }
  const [value, baseline] = [0.75, 0.25].map((share) => {
    let below = 0;
    const level = levels.find((one) => (below += one.share) >= share);
    return level ? Number(level.value) : Number((minimum + share * (maximum - minimum)).toFixed(kind === "integer" ? 0 : decimals ?? 4));
  });
  return value > baseline ? [value, baseline] : [maximum, minimum];
}

/** A value of a column: a number, or one of its levels. */
export function Value({ id, label, column, value, onChange }) {
  return html`<div class="field"><label for=${id}>${label}</label>${numeric(column)
    ? html`<input id=${id} type="number" step="any" list=${`${id}-known`} value=${value} onInput=${(event) => event.target.value !== "" && onChange(Number(event.target.value))} />
      <datalist id=${`${id}-known`}>${column.levels.map((level) => html`<option value=${level.value}>${level.label ?? ""}</option>`)}</datalist>`
    : html`<select id=${id} value=${value} onChange=${(event) => onChange(event.target.value)}>${column.levels.map((level) => html`<option value=${level.value}>${level.label ?? level.value}</option>`)}</select>`}</div>`;
}

/** Chooses a column. */
export function ColumnSelect({ id, label, columns, value, onChange, none }) {
  return html`<div class="field"><label for=${id}>${label}</label><select id=${id} value=${value} onChange=${(event) => onChange(event.target.value)}>
    ${none !== undefined && html`<option value="">${none}</option>`}${columns.map((column) => html`<option value=${column.name}>${column.name}</option>`)}</select></div>`;
}

/** The body's `conditions`: the shares and ranges that are set. */
export function conditionsOf(chosen, columns) {
  const found = { categorical: {}, numeric: {} };
  for (const [name, value] of Object.entries(chosen)) {
    const column = columns.get(name);
    if (!hasShares(column)) found.numeric[name] = value;
    else if (Object.keys(value).length) found.categorical[name] = value;
  }
  return found;
}

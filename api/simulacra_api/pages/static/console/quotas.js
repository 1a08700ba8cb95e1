// Quotas: a list of cells, each of one or several columns, with its share.
import { html } from "../vendor/preact.js";
import { ColumnSelect } from "./controls.js";

const isDate = (column) => column.kind === "datetime";
const isRange = (column) => isDate(column) || (["integer", "numeric"].includes(column.kind) && column.levels.length !== 2);
/** The columns that a cell can name. */
export const cellColumns = (schema) => schema.columns.filter((column) => column.learned && (isRange(column) || column.levels.length > 0));
const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

/** First value of a part: the whole range, or the most common level. */
function initial(column) {
  if (isDate(column)) return { earliest: day(column.minimum), latest: day(column.maximum) };
  if (isRange(column)) return { min: column.minimum, max: column.maximum };
  return { levels: [column.levels.reduce((most, one) => one.share > most.share ? one : most).value] };
}

function Part({ id, column, value, onChange }) {
  if (value.levels) {
    return html`<select id=${id} aria-label=${column.name} multiple=${column.kind !== "multi"} onChange=${(event) => onChange({ levels: [...event.target.selectedOptions].map((one) => one.value) })}>
      ${column.levels.map((level) => html`<option value=${level.value} selected=${value.levels.includes(level.value)}>${level.label ?? level.value}</option>`)}</select>`;
  }
  return Object.entries(value).map(([end, at]) => html`<input key=${end} type=${isDate(column) ? "date" : "number"} step="any" aria-label=${`${column.name}, ${end}`} value=${at}
    onChange=${(event) => event.target.value !== "" && onChange({ ...value, [end]: isDate(column) ? event.target.value : Number(event.target.value) })} />`);
}

function Quota({ number, quota, columns, onChange, onRemove }) {
  const { where } = quota;
  const rest = [...columns.values()].filter((column) => !(column.name in where));
  const without = (name) => Object.fromEntries(Object.entries(where).filter(([key]) => key !== name));
  return html`<fieldset class="card"><legend>Quota ${number}</legend><button type="button" class="plain remove" onClick=${onRemove} aria-label=${`Remove quota ${number}`}>Remove</button>
    ${Object.entries(where).map(([name, value]) => html`<div class="row" key=${name}><label for=${`quota-${number}-${name}`}>${name}</label><${Part} id=${`quota-${number}-${name}`} column=${columns.get(name)} value=${value} onChange=${(next) => onChange({ ...quota, where: { ...where, [name]: next } })} />
      ${Object.keys(where).length > 1 && html`<button type="button" class="plain small" aria-label=${`Leave ${name} open in quota ${number}`} onClick=${() => onChange({ ...quota, where: without(name) })}>Open</button>`}</div>`)}
    <${ColumnSelect} id=${`quota-${number}-add`} label="And" columns=${rest} value="" none="Choose a column" onChange=${(name) => name && onChange({ ...quota, where: { ...where, [name]: initial(columns.get(name)) } })} />
    <div class="row"><label for=${`quota-${number}-share`}>Share of all rows, percent</label><input id=${`quota-${number}-share`} class="figure" type="number" min="0" max="100" step="any" value=${Number((quota.share * 100).toFixed(4))}
      onChange=${(event) => event.target.value !== "" && onChange({ ...quota, share: event.target.value / 100 })} /></div></fieldset>`;
}

/** The list of quotas; `value` is the body's `quotas`. */
export function Quotas({ schema, value, onChange }) {
  const columns = new Map(cellColumns(schema).map((column) => [column.name, column]));
  const begin = (name) => name && onChange([...value, { where: { [name]: initial(columns.get(name)) }, share: 0.1 }]);
  return html`${value.map((quota, at) => html`<${Quota} key=${at} number=${at + 1} quota=${quota} columns=${columns} onChange=${(next) => onChange(value.map((one, place) => place === at ? next : one))} onRemove=${() => onChange(value.filter((_, place) => place !== at))} />`)}
    <${ColumnSelect} id="add-quota" label="Add a quota of a cell, beginning with" columns=${[...columns.values()]} value="" none="Choose a column" onChange=${begin} />`;
}

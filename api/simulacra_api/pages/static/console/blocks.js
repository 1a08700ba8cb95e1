// Columns in blocks, the earliest first: choose some and put them into a block, by click, key, touch or dragging.
import { Failure, useAction, useFocusAfterRemoval } from "../ui.js";
import { html, useState } from "../vendor/preact.js";
import { Chips, Name, without } from "./chips.js";
import { useLoad } from "./parts.js";

const placed = (blocks, names, at) => blocks.map((block, index) => index === at ? [...block, ...names.filter((name) => !block.includes(name))] : block.filter((name) => !names.includes(name)));

/** The usual order of a dataset, which nobody has confirmed; null until it is there, or without one. */
export function useUsualOrder(session, dataset) {
  const [found] = useLoad(() => session.get(`/v1/datasets/${dataset.dataset_id}/usual-order`), [session, dataset.dataset_id]);
  return found?.blocks.length > 1 ? found : null;
}

/** Blocks of columns; columns is null where their names are not known yet. */
export function Blocks({ id, columns, blocks, usual = null, onChange }) {
  const [chosen, setChosen] = useState([]);
  const free = columns?.filter((name) => !blocks.flat().includes(name));
  const [list, goes] = useFocusAfterRemoval(`${id}-add`);
  const set = (at, block) => onChange(blocks.map((one, index) => index === at ? block : one));
  const put = (names, at) => { onChange(placed(blocks, names, at)); setChosen([]); };
  const toggle = (name) => setChosen(chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]);
  const drop = (at) => (event) => { event.preventDefault(); const name = event.dataTransfer.getData("text/plain"); if (columns?.includes(name)) put(chosen.includes(name) ? chosen : [name], at); };
  return html`<section aria-label="Blocks"><h3>Blocks</h3><p class="quiet">Put first what came first in time. Columns of a block may cause those of later blocks, never the reverse; within a block nothing is said.</p>
    ${usual && !blocks.flat().length && html`<div class="notice next" role="group" aria-label="Usual order"><p>${usual.question}</p>${usual.unplaced.length > 0 && html`<p class="quiet">Not in it: ${usual.unplaced.join(", ")}.</p>`}
      <div class="row"><button type="button" onClick=${() => onChange(usual.blocks.map((block) => [...block]))}>Use this order</button><span class="quiet">You can correct it before it counts.</span></div></div>`}
    ${free?.length > 0 && html`<div role="group" aria-label="Columns in no block"><p class="quiet">In no block. Choose some, then put them into a block.</p><div class="chips">${free.map((name) => html`<button type="button" class="small" key=${name} draggable="true" aria-pressed=${chosen.includes(name)} onDragStart=${(event) => event.dataTransfer.setData("text/plain", name)} onClick=${() => toggle(name)}>${name}</button>`)}</div></div>`}
    <div class="tiers" ref=${list}>${blocks.map((block, at) => html`<fieldset class="tier" key=${at} onDragOver=${(event) => event.preventDefault()} onDrop=${drop(at)}><legend>Block ${at + 1}</legend><button type="button" class="plain remove" aria-label=${`Remove block ${at + 1}`} onClick=${() => { goes(at); onChange(without(blocks, at)); }}>Remove</button>
      <${Chips} label=${`Block ${at + 1}`} texts=${block} last=${`${id}-block-${at}`} onRemove=${(gone) => set(at, without(block, gone))} />
      ${chosen.length > 0 && html`<button type="button" onClick=${() => put(chosen, at)}>Put ${chosen.length} here</button>`}
      <${Name} id=${`${id}-block-${at}`} label=${`Add to block ${at + 1}`} columns=${free} value="" none="Choose a column" onChange=${(name) => name && !blocks.flat().includes(name) && set(at, [...block, name])} /></fieldset>`)}</div>
    <div><button type="button" id=${`${id}-add`} onClick=${() => onChange([...blocks, []])}>Add a block</button></div></section>`;
}

/** The order that an answer presumes: accept it, or correct it, and estimate again. */
export function Confirm({ id, session, path, presumes, request, known, onMade }) {
  const [blocks, setBlocks] = useState(presumes);
  const [state, busy, problem] = useAction(async (order) => onMade(await session.post(path, { ...request, blocks: order.filter((block) => block.length) })));
  const isStated = JSON.stringify(known) === JSON.stringify(presumes);
  return html`<div class="notice next" role="group" aria-label="Is this the order?"><p>Is this the order? ${presumes.map((block) => block.join(", ")).join("; then ")}.</p>
    ${!isStated && html`<div class="row"><button type="button" disabled=${busy} onClick=${() => state(presumes)}>Accept this order</button><span class="quiet">Estimates again with it.</span></div>`}
    <details open=${isStated}><summary>Correct it</summary><${Blocks} id=${id} columns=${presumes.flat()} blocks=${blocks} onChange=${setBlocks} />
      <div class="row"><button type="button" disabled=${busy} onClick=${() => state(blocks)}>Estimate with this order</button></div></details><${Failure} problem=${problem} /></div>`;
}

// Names of datasets: what the uploaded file was called. The name is in the encrypted description; ids are secondary.
import { when } from "../ui.js";
import { html, useEffect, useState } from "../vendor/preact.js";

const UNNAMED = "table"; // what a description says when nobody gave a name
const MAX_LENGTH = 256;
const nonces = new Map(); // by file: an interrupted upload continues with the same description
const sessions = new WeakMap(); // names by dataset id, of each signed-in session

function known(session) {
  if (!sessions.has(session)) sessions.set(session, new Map());
  return sessions.get(session);
}

/**
 * The description that an upload sends: a name, and nothing about the columns. Its digest outlives it in the audit log;
 * the random member, which the service ignores, keeps anybody from finding the name by trying names.
 */
export function named(file) {
  const name = [...file.name.toWellFormed()].slice(0, MAX_LENGTH).join("");
  const key = JSON.stringify([file.name, file.size, file.lastModified]);
  if (!nonces.has(key)) nonces.set(key, randomHex());
  return { name, nonce: nonces.get(key), schema: { fieldsMatch: "subset", fields: [] } };
}

const randomHex = () => [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");

export const remember = (session, id, name) => known(session).set(id, name);

async function nameOf(session, id, dataset) {
  const names = known(session);
  if (names.has(id)) return names.get(id);
  const found = dataset ?? (await session.list("/v1/datasets?limit=100")).find((one) => one.dataset_id === id);
  if (found?.rows == null || found.purpose === "given") return null; // not read yet, failed, erased, or without a description
  const { name } = await session.get(`/v1/datasets/${id}/description`);
  names.set(id, name === UNNAMED ? null : name);
  return names.get(id);
}

/** The name of a dataset, null while or where it is not known; `dataset` saves a request. */
export function useName(session, id, dataset = null) {
  const [name, setName] = useState(known(session).get(id) ?? null);
  useEffect(() => {
    let shown = true;
    if (id) nameOf(session, id, dataset).then((found) => shown && setName(found), () => null);
    return () => { shown = false; };
  }, [session, id, dataset?.rows]);
  return name;
}

/** What to call a dataset: its name, or when it was uploaded. */
export const titleOf = (name, dataset) => name ?? `Table of ${when(dataset.created_at)}`;

/** An id, and a button that copies it. */
export function Id({ id }) {
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(id).then(() => setCopied(true));
  return html`<p class="quiet id-line"><code>${id}</code>${navigator.clipboard && html`<button class="plain small" onClick=${copy} aria-label=${`Copy the id ${id}`}>${copied ? "Copied" : "Copy"}</button>`}</p>`;
}

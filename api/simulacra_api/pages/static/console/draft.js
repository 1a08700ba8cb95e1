// A draft: random rows of a description alone, to test a script before there is data.
import { Failure, useAction } from "../ui.js";
import { html, useState } from "../vendor/preact.js";
import { FORMATS } from "./generation.js";
import { saveAs } from "./parts.js";

/** The description in a file, or a sentence that says why it is none. */
async function descriptionIn(file) {
  try {
    return JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is not JSON. Choose a description, such as questionnaire.json.`);
  }
}

export function Draft({ session }) {
  const [file, setFile] = useState(null);
  const [rows, setRows] = useState(500);
  const [format, setFormat] = useState("csv");
  const [made, setMade] = useState("");
  const [draw, busy, problem] = useAction(async () => {
    setMade("");
    const description = await descriptionIn(file);
    const content = await session.file(`/v1/drafts?format=${format}`, { description, row_count: rows });
    saveAs(content, content.type, `draft.${format}`);
    setMade(`draft.${format} has ${rows} rows. Its column "draft" marks each: no respondent's data.`);
  });
  return html`<details class="more"><summary>Draft from a description</summary>
    <p class="quiet">Random answers to a questionnaire, with its levels, ranges and skips, to test a script before the field starts. Nothing is stored.</p>
    <div class="row"><div class="field inline"><label for="draft-file">Description</label><input id="draft-file" type="file" accept=".json,application/json" onChange=${(event) => setFile(event.target.files[0] ?? null)} /></div>
      <div class="field inline"><label for="draft-rows">Rows of the draft</label><input id="draft-rows" class="figure" type="number" min="1" max="10000" value=${rows} onInput=${(event) => setRows(Number(event.target.value))} /></div>
      <div class="field inline"><label for="draft-format">Format</label><select id="draft-format" value=${format} onChange=${(event) => setFormat(event.target.value)}>${FORMATS.map(([key, text]) => html`<option value=${key}>${text}</option>`)}</select></div>
      <button disabled=${busy || !file} onClick=${draw}>${busy ? "Drawing" : "Draw rows"}</button></div>
    ${made && html`<p class="quiet" role="status">${made}</p>`}<${Failure} problem=${problem} /></details>`;
}

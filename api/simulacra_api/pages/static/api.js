// Client of the API: same origin, the session in a cookie that no script reads, errors as sentences.

const RETRIED = new Set([429, 502, 503, 504]);
const ATTEMPTS = 3;
const PIECE_BYTES = 16 * 1024 * 1024; // larger files are sent in pieces of this size
const MAX_PIECES = 5000; // pieces grow so that a file has no more than this
const PAUSE_SECONDS = 2;
const GIVE_UP_SECONDS = 120; // how long to retry a piece while no byte arrives
const IN_FLIGHT = new Set(["simio_idempotency_in_flight", "simio_upload_offset_mismatch"]);
const interrupted = new Map(); // idempotency keys of uploads that can continue, by file and fields

/** An error to show: `message` is a sentence, `fields` has one entry per wrong field. */
export class Problem extends Error {
  constructor(body, status) {
    super(sentence(body.detail || body.title || `The service answered ${status}`));
    this.code = body.code ?? "";
    this.status = status;
    this.requestId = body.request_id ?? "";
    this.fields = (body.errors ?? []).map((one) => ({ pointer: one.pointer, text: `${named(one.pointer)}: ${one.detail}` }));
  }
}

const sentence = (text) => text.trim().replace(/^./, (first) => first.toUpperCase()).replace(/([^.!?])$/, "$1.");
const named = (pointer) => pointer.split("/").slice(1).map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~")).join(" › ");
const isTransient = ({ status, code }) => [0, 408, 500].includes(status) || RETRIED.has(status) || IN_FLIGHT.has(code);
const isOver = ({ status, code }) => status === 401 || code === "simio_forbidden"; // the session, or its client
const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

async function problemOf(response) {
  const text = await response.text();
  try {
    return new Problem(JSON.parse(text), response.status);
  } catch {
    return new Problem({ detail: `The service answered ${response.status} without a message` }, response.status);
  }
}

const SESSION_PATH = "/console/session";

/** Exchange client credentials for a session. Neither the secret nor the token is kept. */
export async function signIn(clientId, secret) {
  const form = new URLSearchParams({ grant_type: "client_credentials", client_id: clientId, client_secret: secret });
  // With credentials, its Basic challenge would open the browser's own dialog.
  const response = await reach("/oauth/token", { method: "POST", body: form, credentials: "omit" });
  if (!response.ok) throw await problemOf(response);
  return openSession({ token: (await response.json()).access_token });
}

/** Exchange an access token or a login code for a session. */
export async function openSession({ token, code }) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await reach(SESSION_PATH, { method: "POST", headers, body: JSON.stringify(code ? { code } : {}) });
  if (!response.ok) throw await problemOf(response);
  return new Session((await response.json()).client_id);
}

/** The session of this browser, null when nobody is signed in. */
export async function presentSession() {
  const response = await reach(SESSION_PATH);
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : new Session((await response.json()).client_id);
}

async function reach(path, options) {
  try {
    return await fetch(path, { credentials: "same-origin", cache: "no-store", redirect: "error", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "The service cannot be reached. Check the connection and try again." }, 0);
  }
}

/** A signed-in caller. The browser sends the cookie; `onEnd` is called when it is no longer accepted. */
export class Session {
  constructor(clientId) {
    this.clientId = clientId;
    this.onEnd = () => {};
  }

  /** Sign out: the session ends for every copy of the cookie. */
  async end() {
    const response = await reach(SESSION_PATH, { method: "DELETE" });
    if (!response.ok) throw await problemOf(response);
  }

  async #send(path, { method = "GET", json, key, headers = {}, signal } = {}) {
    const body = json === undefined ? undefined : JSON.stringify(json);
    const sent = { ...headers, ...(body && { "Content-Type": "application/json" }), ...(key && { "Idempotency-Key": key }) };
    const again = method === "GET" || key !== undefined;
    for (let attempt = 1; ; attempt++) {
      const response = await reach(path, { method, body, headers: sent, signal });
      if (response.ok || response.status === 304) return response;
      if (again && attempt < ATTEMPTS && RETRIED.has(response.status)) {
        await wait(Math.min(Number(response.headers.get("Retry-After")) || 1, 5));
        continue;
      }
      const problem = await problemOf(response);
      if (isOver(problem)) this.onEnd(problem);
      throw problem;
    }
  }

  async json(path, options) {
    const response = await this.#send(path, options);
    return response.status === 204 ? null : response.json();
  }

  get(path, signal) { return this.json(path, { signal }); }
  post(path, json) { return this.json(path, { method: "POST", json, key: crypto.randomUUID() }); }
  file(path, json) { return this.#send(path, { method: "POST", json }).then((response) => response.blob()); }
  text(path, accept) { return this.#send(path, { headers: { Accept: accept } }).then((response) => response.text()); }

  /** Delete and wait until the erasure is verified: 204 at once, or a 404 after a while. */
  async erase(path) {
    let response = await this.#send(path, { method: "DELETE" });
    while (response.status === 202) {
      await wait(1);
      try {
        response = await this.#send(path);
        if (response.status === 200) response = { status: 202 };
      } catch (problem) {
        if (problem.status === 404) return;
        throw problem;
      }
    }
  }

  /** All items of a list, page by page, at most `limit`. */
  async list(path, limit = 200) {
    const items = [];
    let cursor = null;
    do {
      const page = await this.get(path + (cursor ? `${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor)}` : ""));
      items.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor && items.length < limit);
    return items;
  }

  /** Follow a job's server-sent events and resolve with its last state; reconnect when the stream ends. */
  async follow(jobId, onState, signal) {
    for (;;) {
      const response = await this.#send(`/v1/jobs/${jobId}/events`, { headers: { Accept: "text/event-stream" }, signal });
      const last = await readEvents(response.body, onState);
      if (last) return last;
      await wait(1);
    }
  }

  /**
   * Upload a file; `onPart` gets the share (0..1) that was sent. A large file is sent in pieces and continues after an
   * interruption: at once, or when the user chooses the same file with the same fields before the page is closed.
   */
  async upload(file, fields, onPart) {
    if (file.size <= PIECE_BYTES) return this.#form(file, fields, onPart);
    const upload = JSON.stringify([file.name, file.size, file.lastModified, fields]);
    const key = interrupted.get(upload) ?? crypto.randomUUID();
    interrupted.delete(upload);
    try {
      return await this.#pieces(file, fields, key, onPart);
    } catch (problem) {
      if (problem.status === 401 || isTransient(problem)) interrupted.set(upload, key);
      throw problem;
    }
  }

  #form(file, fields, onPart) {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, typeof value === "object" ? JSON.stringify(value) : value);
    form.append("file", file);
    return this.#transfer("POST", "/v1/datasets", { "Idempotency-Key": crypto.randomUUID() }, form, onPart);
  }

  async #pieces(file, fields, key, onPart) {
    let state = await this.json("/v1/uploads", { method: "POST", json: { ...fields, bytes: file.size }, key });
    const path = `/v1/uploads/${state.upload_id}`;
    const size = Math.max(PIECE_BYTES, Math.ceil(file.size / MAX_PIECES));
    let checking = false; // ask the service for the offset before the next piece
    let failingSince = 0;
    while (!state.complete) {
      const { offset } = state;
      try {
        if (checking) {
          const response = await this.#send(path);
          checking = response.headers.has("Retry-After"); // the interrupted piece may still be arriving
          state = await response.json();
          if (checking || state.offset > offset) failingSince = 0;
          if (checking) await wait(PAUSE_SECONDS);
          continue;
        }
        const piece = file.slice(offset, offset + size);
        const headers = { "Content-Type": "application/octet-stream", "Upload-Offset": String(offset) };
        state = await this.#transfer("PATCH", path, headers, piece, (share) => onPart((offset + share * piece.size) / file.size));
        failingSince = 0;
      } catch (problem) {
        failingSince ||= Date.now();
        if (!isTransient(problem) || Date.now() - failingSince > GIVE_UP_SECONDS * 1000) throw problem;
        await wait(PAUSE_SECONDS);
        checking = true;
      }
    }
    return state;
  }

  /** Send a body and report progress, which fetch cannot. */
  #transfer(method, path, headers, body, onPart) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(method, path);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.upload.onprogress = (event) => event.lengthComputable && event.total && onPart(event.loaded / event.total);
      request.onerror = () => reject(new Problem({ detail: "The upload was interrupted. Choose the file again." }, 0));
      request.onload = () => {
        let answer = {};
        try { answer = JSON.parse(request.responseText); } catch { /* no body: the status says enough */ }
        if (request.status < 300) return resolve(answer);
        const problem = new Problem(answer, request.status);
        if (isOver(problem)) this.onEnd(problem);
        return reject(problem);
      };
      request.send(body);
    });
  }

  /** The beginning of a text behind a link of the API: about `most` bytes, and whether that is all of it. */
  async beginning(url, most) {
    const at = new URL(url, location.href);
    const stop = new AbortController();
    const response = await this.#send(at.pathname + at.search, { signal: stop.signal });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    let size = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return { text: text + decoder.decode(), complete: true };
      size += value.length;
      text += decoder.decode(value, { stream: true });
      if (size < most) continue;
      stop.abort();
      return { text, complete: false };
    }
  }

  /**
   * Save the file behind a link of the API. Only the path of the link is used: nothing is sent to another host.
   * With a file handle (File System Access API) the file streams to the disk; otherwise the browser keeps it in memory.
   */
  async save(url, name, handle = null) {
    const at = new URL(url, location.href);
    const response = await this.#send(at.pathname + at.search);
    if (handle) {
      await response.body.pipeTo(await handle.createWritable());
      return;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await response.blob());
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}

async function readEvents(body, onState) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return null;
    buffer += value.replace(/\r\n?/g, "\n");
    let end;
    while ((end = buffer.indexOf("\n\n")) >= 0) {
      const lines = buffer.slice(0, end).split("\n");
      buffer = buffer.slice(end + 2);
      const kind = lines.find((line) => line.startsWith("event:"))?.slice(6).trim();
      const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
      if (kind === "gone") return { status: "gone" };
      if (!data) continue;
      const state = JSON.parse(data);
      onState(state);
      if (kind === "end") return state;
    }
  }
}

// Components shared by the pages: sign-in form, retention clock, status, errors.
import { Problem, openSession, presentSession, signIn } from "./api.js";
import { html, useEffect, useRef, useState } from "./vendor/preact.js";

const STATES = { queued: "Waiting", uploading: "Uploading", running: "Running", held: "To confirm", ready: "Ready", partial: "Partly met", failed: "Failed", deleting: "Being erased", expired: "Expired" };
/** A value with at most `digits` decimals, or with exactly `digits` in a column of numbers: 2010 may be a year. Without `digits` a count: 2,010. */
export const number = (value, digits = null, exact = false) => value == null ? "–" : Number(value).toLocaleString("en", { maximumFractionDigits: digits ?? 0, minimumFractionDigits: exact ? digits : 0, useGrouping: digits == null ? "always" : "min2" });
export function percent(share, digits = 1) {
  if (share == null) return "–";
  const least = 10 ** -digits;
  return share > 0 && share * 100 < least / 2 ? `< ${least} %` : `${number(share * 100, digits)} %`;
}
export const when = (time) => new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
export const unfinished = (status) => ["queued", "uploading", "running", "deleting"].includes(status);

export function bytes(value) {
  if (value == null) return "–";
  const step = value < 1e3 ? 0 : value < 1e6 ? 1 : value < 1e9 ? 2 : 3;
  return `${number(value / 10 ** (3 * step), step ? 1 : 0)} ${["B", "kB", "MB", "GB"][step]}`;
}

/** Time left in at most two units: "6 d 23 h", "23 h 10 min", "41 s". */
export function left(milliseconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  let seconds = Math.max(0, Math.round(milliseconds / 1000));
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "now";
  const said = units.slice(first, first + 2).map(([name, size]) => {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    return count ? `${count} ${name}` : "";
  });
  return said.filter(Boolean).join(" ");
}

/** Counts down to the moment of erasure; the ring empties over the whole retention. */
export function Clock({ until, from }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const rest = new Date(until) - now;
  const share = from ? Math.min(1, Math.max(0, rest / (new Date(until) - new Date(from)))) : 1;
  return html`<span class="clock-face" title=${`Erased at ${when(until)}`}>
    <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><circle class="track" cx="10" cy="10" r="8" />
      <circle class="rest" cx="10" cy="10" r="8" pathLength="100" stroke-dasharray=${`${share * 100} 100`} transform="rotate(-90 10 10)" /></svg>
    <span>${rest > 0 ? `erased in ${left(rest)}` : "being erased"}</span></span>`;
}

export const Status = ({ of }) => html`<span class=${`status ${of}`}>${STATES[of] ?? of}</span>`;

/** How good a model is, as dots; the words are the dots' names. */
export const Dots = ({ verdicts }) => html`<span class="dots">${verdicts.map((one) => html`<span class=${`dot ${one.level}`} role="img" aria-label=${`${one.code} ${one.level}`} title=${`${one.code}: ${one.level}`}></span>`)}</span>`;

export function Meter({ value, label }) {
  return html`<progress max="100" value=${value} aria-label=${label}>${value} %</progress>`;
}

export function Failure({ problem }) {
  if (!problem) return null;
  const listed = problem.fields?.length > 0; // the detail points programs to them
  const message = listed ? problem.message.replace(/ See errors\[\] for each\.$/, "") : problem.message;
  return html`<div class="notice bad" role="alert"><p>${message}</p>
    ${listed && html`<ul>${problem.fields.map((one) => html`<li>${one.text}</li>`)}</ul>`}
    ${problem.requestId && html`<p class="support">Support id ${problem.requestId}</p>`}</div>`;
}

/** Keeps the keyboard's place in a list of entries with a remove button: [ref of the list, note which index goes]. Then the next button has the focus, or the field with the id `last`. */
export function useFocusAfterRemoval(last) {
  const list = useRef(null);
  const gone = useRef(null);
  useEffect(() => {
    if (gone.current === null) return;
    const buttons = list.current?.querySelectorAll(":scope > * > button") ?? [];
    (buttons[gone.current] ?? document.getElementById(last))?.focus();
    gone.current = null;
  });
  return [list, (at) => { gone.current = at; }];
}

/** Run an asynchronous function for a button: [run, busy, problem]. With `keep` the last problem stays until the answer. */
export function useAction(work, keep = false) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const run = async (...args) => {
    setBusy(true);
    if (!keep) setProblem(null);
    try {
      const result = await work(...args);
      setProblem(null);
      return result;
    } catch (error) {
      if (!(error instanceof Problem)) console.error(error);
      setProblem(error instanceof Problem ? error : new Problem({ detail: "This page failed. Reload it and try again." }, 0));
    } finally {
      setBusy(false);
    }
  };
  return [run, busy, problem];
}

/** The code of a login link, which is taken out of the address and its history entry at once. */
function takeCode() {
  const code = location.hash.match(/^#code=(.+)$/)?.[1];
  if (code) history.replaceState(null, "", location.pathname);
  return code ?? null;
}

const clientOf = (code) => code.slice(0, code.lastIndexOf("."));
const ended = (problem) => problem.status === 401 ? "Your session has ended. Sign in again." : problem.message;

/** The session of this browser, and a login link that was opened: { session, loading, notice, code, forgetCode, enter, leave }. */
export function useSession() {
  const [state, setState] = useState({ session: null, loading: true, notice: "" });
  const [code, setCode] = useState(takeCode);
  const enter = (session) => {
    if (session) session.onEnd = (problem) => setState({ session: null, loading: false, notice: ended(problem) });
    setState({ session, loading: false, notice: "" });
  };
  useEffect(() => {
    const follow = () => setCode((before) => takeCode() ?? before); // a link that is opened in this tab
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  useEffect(() => {
    presentSession().then(enter, (problem) => setState({ session: null, loading: false, notice: problem.message }));
  }, []);
  const leave = async () => {
    const failed = await state.session.end().then(() => "", (problem) => `You are signed out of this page only. ${problem.message}`);
    setCode(null);
    setState({ session: null, loading: false, notice: failed });
  };
  const wanted = code && clientOf(code) !== state.session?.clientId ? code : null;
  return { ...state, code: wanted, forgetCode: () => setCode(null), enter, leave };
}

/** Confirms a login link: who clicks it sees for whom it is, so nobody else's link signs them in unnoticed. */
export function LoginLink({ code, onSession, onDismiss }) {
  const [enter, busy, problem] = useAction(async () => onSession(await openSession({ code })));
  return html`<div class="notice login" role="group" aria-label="Login link"><p>This link signs you in as <b>${clientOf(code)}</b>.</p>
    <div class="row"><button class="primary" disabled=${busy} onClick=${enter}>${busy ? "Signing in" : "Sign in with the link"}</button><button class="plain" onClick=${onDismiss}>Do not use it</button></div><${Failure} problem=${problem} /></div>`;
}

/** Form for client credentials or a token; `onSession` gets a Session. */
export function SignIn({ onSession, notice }) {
  const [run, busy, problem] = useAction(async (form) => {
    const token = form.get("token")?.trim();
    onSession(token ? await openSession({ token }) : await signIn(form.get("id").trim(), form.get("secret").trim()));
  });
  const [byToken, setByToken] = useState(false);
  const submit = (event) => { event.preventDefault(); run(new FormData(event.currentTarget)); };
  return html`<form class="sign-in" onSubmit=${submit}>
    ${notice && html`<p class="notice warn" role="status">${notice}</p>`}
    ${byToken
      ? html`<div class="field"><label for="token">Access token</label><input id="token" name="token" type="password" required autocomplete="off" spellcheck="false" /></div>`
      : html`<div class="field"><label for="id">Client id</label><input id="id" name="id" required autocomplete="username" spellcheck="false" /></div>
        <div class="field"><label for="secret">Client secret</label><input id="secret" name="secret" type="password" required autocomplete="current-password" /></div>`}
    <${Failure} problem=${problem} />
    <div class="row"><button class="primary" disabled=${busy}>${busy ? "Signing in" : "Sign in"}</button>
      <button type="button" class="plain" onClick=${() => setByToken(!byToken)}>${byToken ? "Use client credentials" : "Use a token instead"}</button></div>
    <p class="quiet">You stay signed in until the token behind it expires, in a cookie that no script can read. The secret is not stored.</p></form>`;
}

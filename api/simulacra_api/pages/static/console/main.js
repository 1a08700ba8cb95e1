// The console: sign-in, frame, and the view of the current URL.
import { LoginLink, SignIn, bytes, number, useSession } from "../ui.js";
import { html, render, useEffect, useState } from "../vendor/preact.js";
import { Audit } from "./audit.js";
import { Dataset } from "./dataset.js";
import { Generation } from "./generation.js";
import { Home } from "./home.js";

/** The URL after `#/`, as decoded parts; follows the browser's history. */
function useRoute() {
  const read = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const follow = () => { setRoute(read()); window.scrollTo(0, 0); };
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return route;
}

function View({ session, route }) {
  const [kind, id, tab] = route;
  if (kind === "datasets" && id) return html`<${Dataset} key=${id} session=${session} id=${id} tab=${tab ?? ""} />`;
  if (kind === "generations" && id) return html`<${Generation} key=${id} session=${session} id=${id} />`;
  if (kind === "audit") return html`<${Audit} session=${session} />`;
  return html`<${Home} session=${session} />`;
}

function Usage({ session, route }) {
  const [usage, setUsage] = useState(null);
  useEffect(() => { session.get("/v1/usage").then(setUsage, () => setUsage(null)); }, [session, route.join("/")]);
  if (!usage) return null;
  return html`<p class="usage quiet">${bytes(usage.stored_bytes.used)} stored, ${number(usage.rows.used)} rows today, ${usage.running_jobs.used} of ${usage.running_jobs.limit} jobs running</p>`;
}

function Console() {
  const { session, loading, notice, code, forgetCode, enter, leave } = useSession();
  const route = useRoute();
  if (loading) return html`<p role="status">Loading</p>`;
  if (code) return html`<section class="entry"><h1>Console</h1><${LoginLink} code=${code} onSession=${enter} onDismiss=${forgetCode} /></section>`;
  if (!session) {
    return html`<section class="entry"><h1>Console</h1><p class="lede">Upload a table, generate rows under conditions, estimate effects, and see what is stored.</p>
      <${SignIn} onSession=${enter} notice=${notice} />
      <p class="quiet">No credentials yet? Request access with <code>POST /v1/signup</code>; on one machine, <code>simulacra console</code> prints a link that signs you in.</p></section>`;
  }
  const here = route[0] === "audit" ? "audit" : "";
  const link = (path, label) => html`<a href=${`#/${path}`} aria-current=${here === path ? "page" : null}>${label}</a>`;
  return html`<div class="bar"><nav aria-label="Console">${link("", "Datasets")}${link("audit", "Audit trail")}</nav>
    <${Usage} session=${session} route=${route} /><button class="plain" title=${`Signed in as ${session.clientId}`} onClick=${leave}>Sign out</button></div>
    <${View} session=${session} route=${route} />`;
}

render(html`<${Console} />`, document.getElementById("console"));

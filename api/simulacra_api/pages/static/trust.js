// The live part of the trust page: when the claims last held on this installation, and the package.
import { Failure, SignIn, useAction, useSession, when } from "./ui.js";
import { html, render, useEffect, useState } from "./vendor/preact.js";

const KEY = { True: ["passed", "The key check passes"], False: ["failed", "The key check fails"], Unknown: ["not-run", "The key check has no answer"] };
const CANARY = { Clean: ["passed", "No mark was left"], Leak: ["failed", "A mark was left"], PartlySearched: ["skipped", "No mark was found; a place could not be searched"], Failed: ["not-run", "The last run did not reach its end"] };
const LOG = { intact: ["passed", "The whole log verifies"], corrupt: ["failed", "The log was changed"], unchecked: ["not-run", "No whole check has ended yet"] };

/** What this installation says of itself: name, [state, sentence], time and claim of each check. */
async function checksOf(session) {
  const [own, log, root, erased] = await Promise.all([
    session.get("/trust/held"), session.get("/v1/audit-events?limit=1"),
    session.get("/.well-known/simulacra-live-keys.json").catch(() => null), // 503 before the first root
    session.get("/v1/erasure-certificates?limit=1"),
  ]);
  const listed = root?.statement.listed_at;
  const certified = erased.items[0]?.issued_at;
  const missing = (text) => ["not-run", text];
  return [
    { name: "Key of your tenant", said: own.key ? KEY[own.key.status] : missing("No key check yet"), at: own.key?.since, before: "since", claim: "own-context" },
    { name: "Canary", said: own.canary ? CANARY[own.canary.verdict] : missing("The canary has not run here"), at: own.canary?.ended, claim: "canary" },
    { name: "Audit log", said: LOG[log.integrity.status], at: log.integrity.checked_at, claim: "audit-changes-found" },
    { name: "Absence proofs", said: listed ? ["passed", "A root of the live keys is published"] : missing("No root of the live keys yet"), at: listed, claim: "absence-proof" },
    { name: "Newest erasure of yours", said: certified ? ["passed", "It has a signed certificate"] : missing("Nothing of yours was erased yet"), at: certified, claim: "certificate" },
  ];
}

function Check({ name, said: [state, sentence], at, before = "at", claim }) {
  const word = { passed: "holds", failed: "does not hold", skipped: "in part", "not-run": "not known" }[state];
  return html`<li><b>${name}</b><span><span class=${state}>${word}</span></span><p>${sentence}${at && html`, ${before} <time dateTime=${at}>${when(at)}</time>`}.</p><a href=${`#${claim}`}>The claim</a></li>`;
}

function Live() {
  const { session, loading, notice, enter } = useSession();
  const [checks, setChecks] = useState(null);
  const [load, , problem] = useAction(async () => setChecks(await checksOf(session)));
  useEffect(() => { setChecks(null); if (session) load(); }, [session]);
  if (loading) return html`<p role="status">Loading</p>`;
  if (!session) return html`<p class="lede">Sign in to see the last checks of this installation and to download the package.</p><${SignIn} onSession=${enter} notice=${notice} />`;
  return html`<${Failure} problem=${problem} />${checks ? html`<ul class="checks">${checks.map((one) => html`<${Check} key=${one.name} ...${one} />`)}</ul>` : !problem && html`<p role="status">Loading</p>`}
    <p class="package"><a class="button" href="/trust/package.zip" download>Download the package (zip)</a></p>`;
}

render(html`<${Live} />`, document.getElementById("live"));

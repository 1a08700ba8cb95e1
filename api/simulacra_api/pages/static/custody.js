// Selects which step's details show (the ARIA tabs pattern), and starts the live part.
import { mountLive } from "./live.js";

const tabs = [...document.querySelectorAll('[role="tab"]')];

function choose(tab, focus) {
  for (const one of tabs) {
    const chosen = one === tab;
    one.setAttribute("aria-selected", String(chosen));
    one.tabIndex = chosen ? 0 : -1;
    document.getElementById(one.getAttribute("aria-controls")).classList.toggle("chosen", chosen);
  }
  const stores = tab.dataset.stores.split(" ");
  for (const card of document.querySelectorAll("[data-store]")) card.classList.toggle("touched", stores.includes(card.dataset.store));
  if (focus) tab.focus();
}

function step(event) {
  const at = tabs.indexOf(event.currentTarget);
  const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (event.key === " ") choose(event.currentTarget, false);
  else if (next === undefined) return;
  else choose(tabs[(next + tabs.length) % tabs.length], true);
  event.preventDefault();
}

document.documentElement.classList.add("js");
for (const tab of tabs) {
  tab.addEventListener("click", (event) => { event.preventDefault(); history.replaceState(null, "", tab.hash); choose(tab, false); });
  tab.addEventListener("keydown", step);
}
choose(tabs.find((tab) => tab.hash === location.hash) ?? tabs[2], false);
mountLive(document.getElementById("live"));

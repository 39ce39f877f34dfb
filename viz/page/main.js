// Begins: finds the view of the address, keeps it current, and says how the connection is.

import { fill, h } from "./dom.js";
import * as keys from "./keys.js";
import * as live from "./live.js";
import { go, here, link, whenMoved } from "./place.js";
import { load, papers } from "./theme.js";
import { clock } from "./words.js";

/** @typedef {import("./types.js").View} View */
/** @typedef {{show: (...parts: string[]) => View}} Shown */

/** @type {[RegExp, () => Promise<Shown>][]} */
const VIEWS = [
  [/^\/$/, () => import("./views/home.js")],
  [/^\/findings\/([^/]+)$/, () => import("./views/finding.js")],
  [/^\/traces\/([^/]+)$/, () => import("./views/trace.js")],
  [/^\/compare\/([^/]+)\/([^/]+)$/, () => import("./views/compare.js")],
  [/^\/pools$/, () => import("./views/pools.js")],
  [/^\/pools\/(.+)$/, () => import("./views/pool.js")],
  [/^\/services$/, () => import("./views/services.js")],
  [/^\/search$/, () => import("./views/search.js")],
  [/^\/live$/, () => import("./views/live.js")],
];

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const banner = /** @type {HTMLElement} */ (document.getElementById("banner"));
const state = /** @type {HTMLElement} */ (document.getElementById("connection"));

/** @type {View | null} */
let shown = null;
let path = "";

async function arrive() {
  const [, load] = VIEWS.find(([pattern]) => pattern.test(location.pathname)) ?? [];
  const parts = VIEWS.find(([pattern]) => pattern.test(location.pathname))?.[0].exec(location.pathname)?.slice(1) ?? [];
  const wanted = location.pathname + location.search;
  const module = await (load ?? (() => import("./views/missing.js")))();
  if (wanted !== location.pathname + location.search) return;
  shown?.close?.();
  shown = module.show(...parts.map(decodeURIComponent));
  document.title = `${shown.title} · tracecollect`;
  fill(main, asOf(), shown.element);
  keys.setKeys(shown.keys ?? []);
  shown.refresh?.();
  for (const one of document.querySelectorAll("header nav a"))
    one.toggleAttribute("aria-current", location.pathname === one.getAttribute("href"));
  for (const one of document.querySelectorAll("header nav a[aria-current]")) one.setAttribute("aria-current", "page");
  if (path && path !== location.pathname) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
  path = location.pathname;
}

/** Says that another moment than now is shown, and how to come back. */
function asOf() {
  const moment = here().get("as_of");
  if (!moment) return null;
  const query = here();
  query.delete("as_of");
  const back = `${location.pathname}${query.size ? `?${query}` : ""}`;
  return h("p", { class: "asof" }, `Judged as of ${moment}. `, h("a", { href: back }, "Back to now"));
}

/** Links of ours are followed without loading the page again. @param {MouseEvent} event */
function follow(event) {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const anchor = event.target instanceof Element ? event.target.closest("a") : null;
  if (!anchor || anchor.target || anchor.hasAttribute("download") || anchor.origin !== location.origin) return;
  if (anchor.hash || !VIEWS.some(([pattern]) => pattern.test(anchor.pathname))) return;
  event.preventDefault();
  const inHeader = anchor.closest("header") !== null;
  go(inHeader ? link(anchor.pathname) : anchor.pathname + anchor.search);
}

/** @param {"on" | "gone" | "asleep"} now */
function connection(now) {
  const words = { on: "live", gone: "server gone", asleep: "asleep" }[now];
  state.dataset["state"] = now;
  fill(state, h("span", { "aria-hidden": "true", class: "dot" }), words);
  if (now === "gone" && banner.hidden) {
    fill(banner, `The server does not answer. What is shown is from ${clock(new Date().toISOString())} UTC and before; trying again.`);
    banner.dataset["state"] = "gone";
    banner.hidden = false;
  }
  if (now === "on" && banner.dataset["state"] === "gone") {
    fill(banner, "The server is back, and everything was read again.");
    banner.dataset["state"] = "back";
    setTimeout(() => { banner.hidden = banner.dataset["state"] === "back"; }, 6000);
  }
}

await load();
papers(/** @type {HTMLElement} */ (document.getElementById("paper")));
document.getElementById("keys")?.addEventListener("click", keys.help);
document.addEventListener("click", follow);
keys.listen();
whenMoved(() => void arrive());
await arrive();
live.start(connection);
live.listen((what) => {
  if (what === "judged" || what === "back") shown?.refresh?.(what);
});

// The server's events. While the tab is in sight it listens; when the server goes away it says so and waits for it.

/** @typedef {"judged" | "finding" | "traces" | "back"} Happening */
/** @typedef {(what: Happening, document: any) => void} Listener */

const KINDS = /** @type {const} */ (["judged", "finding", "traces"]);
const AGAIN_MS = 2000;

/** @type {Set<Listener>} */
const listeners = new Set();
/** @type {EventSource | null} */
let source = null;
let server = "";
let gone = false;
let traces = false;
/** @type {(state: "on" | "gone" | "asleep") => void} */
let tell = () => {};

/** Begin. @param {(state: "on" | "gone" | "asleep") => void} told hears whether the server is there */
export function start(told) {
  tell = told;
  document.addEventListener("visibilitychange", () => (document.hidden ? sleep() : open()));
  open();
}

/** Hear of everything new; returns what ends it. @param {Listener} listener */
export function listen(listener) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Hear of new traces as well, or not any more. @param {boolean} wanted */
export function wantTraces(wanted) {
  if (traces === wanted) return;
  traces = wanted;
  if (source) open();
}

function open() {
  source?.close();
  const mine = (source = new EventSource(`/api/v1/live${traces ? "?traces=true" : ""}`));
  mine.addEventListener("hello", (event) => {
    const now = JSON.parse(event.data).server;
    const back = gone || (server !== "" && server !== now);
    [server, gone] = [now, false];
    tell("on");
    if (back) say("back", null);
  });
  for (const kind of KINDS) mine.addEventListener(kind, (event) => say(kind, JSON.parse(event.data)));
  mine.addEventListener("error", () => {
    if (source !== mine) return;
    gone = true;
    tell("gone");
    // An answer that is no stream ends the browser's own attempts.
    if (mine.readyState === EventSource.CLOSED) setTimeout(() => source === mine && open(), AGAIN_MS);
  });
}

/** A tab out of sight keeps no connection: a browser has only six for one server. */
function sleep() {
  source?.close();
  source = null;
  gone = true; // whatever happens meanwhile is read when the tab comes back
  tell("asleep");
}

/** @param {Happening} what @param {any} document */
function say(what, document) {
  for (const one of [...listeners]) one(what, document);
}

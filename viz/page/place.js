// Where one is: the address says everything that is shown, so that it can be sent to somebody else.

/** Parameters that say as of when is judged; they go along from view to view. */
const MOMENT = ["as_of", "grace"];

/** @returns {URLSearchParams} */
export function here() {
  return new URLSearchParams(location.search);
}

/**
 * The address of a view as of the same moment.
 * @param {string} path
 * @param {Record<string, string | null | undefined>} [parameters]
 */
export function link(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const name of MOMENT) {
    const value = here().get(name);
    if (value) query.set(name, value);
  }
  for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value);
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** The path of a finding. @param {string} id */
export const findingAt = (id) => `/findings/${encodeURIComponent(id)}`;

/** The path of a trace. @param {string} id */
export const traceAt = (id) => `/traces/${encodeURIComponent(id)}`;

/** The path of a pool. @param {string} name */
export const poolAt = (name) => `/pools/${encodeURIComponent(name)}`;

/** As of when is judged, where it is not now. */
export function when() {
  /** @type {Record<string, string>} */
  const given = {};
  for (const name of MOMENT) {
    const value = here().get(name);
    if (value) given[name] = value;
  }
  return given;
}

/** The same, and which stretch of a very long trace is read. */
export function which() {
  const skip = here().get("skip");
  return skip ? { ...when(), skip } : when();
}

/** What the API is asked about leaks here: judged for this question only where another moment is asked for. */
export function moment() {
  const given = when();
  return Object.keys(given).length ? given : { fresh: "false" };
}

/** @type {() => void} */
let arrived = () => {};

/** Whom to tell when the address has changed. @param {() => void} listener */
export function whenMoved(listener) {
  arrived = listener;
  addEventListener("popstate", listener);
}

/** Go to an address of ours. @param {string} address */
export function go(address) {
  history.pushState(null, "", address);
  arrived();
}

/**
 * Change parameters of the address without leaving the view; `keep` false: a step that one can go back.
 * @param {Record<string, string | null>} parameters
 * @param {{replace?: boolean}} [how]
 */
export function note(parameters, how = {}) {
  const query = here();
  for (const [name, value] of Object.entries(parameters)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  const address = text ? `${location.pathname}?${text}` : location.pathname;
  if (address === location.pathname + location.search) return;
  history[how.replace ? "replaceState" : "pushState"](null, "", address);
}

const LIST = "traces";

/** Remember the traces of a list, for the keys [ and ]. @param {string[]} ids */
export function listed(ids) {
  sessionStorage.setItem(LIST, JSON.stringify(ids.slice(0, 1000)));
}

/**
 * The trace before or after one in the list that was shown last.
 * @param {string} id
 * @param {number} step
 * @returns {string | undefined}
 */
export function neighbour(id, step) {
  /** @type {string[]} */
  const ids = JSON.parse(sessionStorage.getItem(LIST) ?? "[]");
  const at = ids.indexOf(id);
  return at < 0 ? undefined : ids[at + step];
}

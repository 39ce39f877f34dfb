// Questions to /api/v1, and what went wrong in words.

import { h } from "./dom.js";

/** What the server, or its absence, said. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {string} hint
   * @param {number} status 0: no answer
   * @param {string[]} candidates
   */
  constructor(message, hint, status = 0, candidates = []) {
    super(message);
    this.hint = hint;
    this.status = status;
    this.candidates = candidates;
  }
}

/** @typedef {Record<string, string | string[] | undefined>} Parameters */

/**
 * The address of a question. Parts of the path are texts that may contain anything.
 * @param {string[]} path
 * @param {Parameters} [parameters]
 */
export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    for (const one of Array.isArray(value) ? value : [value]) if (one) query.append(name, one);
  const text = query.toString();
  return `/api/v1/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/**
 * The answer to a question. Throws `Problem`; nothing when the signal aborts it.
 * @template T
 * @param {string[]} path
 * @param {Parameters} [parameters]
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function ask(path, parameters = {}, signal) {
  const response = await fetch(address(path, parameters), signal ? { signal } : {}).catch((error) => {
    if (signal?.aborted) throw error;
    throw new Problem("The server does not answer", "Is `tracecollect serve` running? This page tries again by itself.");
  });
  const document = await response.json().catch(() => ({}));
  if (response.ok) return document;
  throw new Problem(
    document.message ?? `The server answered with status ${response.status}`,
    document.hint ?? "its log says more",
    response.status,
    document.candidates ?? [],
  );
}

/**
 * A question that is asked again and again; an answer that was overtaken by a newer question is dropped.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} question
 * @param {(answer: T) => void} show
 * @param {HTMLElement} place where to say what went wrong
 */
export function asking(question, show, place) {
  let current = new AbortController();
  /** @type {HTMLElement | null} */
  let said = null;
  let answered = false;
  const again = async () => {
    current.abort();
    const mine = (current = new AbortController());
    if (!answered) place.setAttribute("aria-busy", "true");
    try {
      const answer = await question(mine.signal);
      if (mine.signal.aborted) return;
      said?.remove();
      said = null;
      answered = true;
      show(answer);
      place.removeAttribute("aria-busy");
    } catch (error) {
      if (mine.signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      said?.remove();
      said = problem(error);
      place.prepend(said);
      place.removeAttribute("aria-busy");
    }
  };
  return { again, close: () => current.abort() };
}

/** A problem as a person reads it. @param {Problem} error */
export function problem(error) {
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("strong", {}, error.message),
    error.hint && h("p", {}, error.hint),
    error.candidates.length > 0 && h("ul", {}, ...error.candidates.map((one) => h("li", {}, h("a", { href: one }, one)))),
  );
}

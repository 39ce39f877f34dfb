// viz/theme.json, and the paper that the reader chose. Colours come from /viz/theme.css, written out of the same file.

import { h } from "./dom.js";

/** @typedef {{words: string, pattern: string, shape: string, glyph: string}} Look */

/** @type {Record<string, Look>} */
let looks = {};

/** To be awaited once, before anything is drawn. */
export async function load() {
  looks = (await (await fetch("/viz/theme.json")).json()).roles;
}

/** @param {string} role @returns {Look} */
export function look(role) {
  return looks[role] ?? { words: role.replaceAll("_", " "), pattern: "solid", shape: "box", glyph: "■" };
}

/** The CSS value of a role's colour. @param {string} role */
export const color = (role) => `var(--role-${role.replaceAll("_", "-")})`;

/**
 * A verdict: a glyph, a colour and a word, so that each alone is enough.
 * @param {string} role
 * @param {string} [words]
 */
export function badge(role, words = role.replaceAll("_", " ")) {
  const glyph = h("span", { "aria-hidden": "true" }, look(role).glyph);
  return h("span", { class: "badge", "data-role": role, style: { "--mark": color(role) } }, glyph, ` ${words}`);
}

const PAPERS = [
  ["", "◐", "as the system has it"],
  ["light", "☀", "light"],
  ["dark", "☾", "dark"],
];

/** The button that changes the paper; the choice is kept in this browser. @param {HTMLElement} button */
export function papers(button) {
  let at = Math.max(0, PAPERS.findIndex(([name]) => name === (localStorage.getItem("paper") ?? "")));
  const show = () => {
    const [name = "", glyph = "", words = ""] = PAPERS[at] ?? [];
    if (name) document.documentElement.dataset["paper"] = name;
    else delete document.documentElement.dataset["paper"];
    button.textContent = glyph;
    button.setAttribute("aria-label", `Paper: ${words}`);
    dispatchEvent(new Event("paper"));
  };
  button.addEventListener("click", () => {
    at = (at + 1) % PAPERS.length;
    localStorage.setItem("paper", PAPERS[at]?.[0] ?? "");
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("paper")));
  show();
}

/** Is the paper dark now? Pictures are asked for accordingly. */
export function isDark() {
  const chosen = document.documentElement.dataset["paper"];
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

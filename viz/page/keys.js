// The keyboard: a few keys that mean the same everywhere, those of the view, and `?` that shows them.

import { h } from "./dom.js";
import { go, link } from "./place.js";

/** @typedef {{key: string, words: string, press: () => void}} Key */

/** @type {Key[]} */
let ofView = [];

/** @type {Key[]} */
const EVERYWHERE = [
  { key: "?", words: "show these keys", press: help },
  { key: "/", words: "search", press: search },
  { key: "j", words: "next row", press: () => step(1) },
  { key: "k", words: "row before", press: () => step(-1) },
  { key: "Enter", words: "open the row", press: () => {} },
  { key: "1 … 5", words: "findings, pools, services, search, live", press: () => {} },
  { key: "Escape", words: "close, or leave the field", press: () => {} },
];
const VIEWS = ["/", "/pools", "/services", "/search", "/live"];

/** The keys of the view that is shown now. @param {Key[]} keys */
export function setKeys(keys) {
  ofView = keys;
}

/** Listen. To be called once. */
export function listen() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target instanceof HTMLElement ? event.target : document.body;
    if (at.matches("input, select, textarea")) {
      if (event.key === "Escape") at.blur();
      return;
    }
    if (document.querySelector("dialog[open]") && event.key !== "?") return;
    const found = [...ofView, ...EVERYWHERE].find((one) => one.key === event.key);
    const view = VIEWS[Number(event.key) - 1];
    if (!found && !view) return;
    if (event.key === "Enter") return;
    event.preventDefault();
    if (found) found.press();
    else if (view) go(link(view));
  });
}

/** Move the focus among the rows of the view. @param {number} by */
function step(by) {
  /** @type {HTMLElement[]} */
  const rows = [...document.querySelectorAll("main [data-row]")].filter((one) => one instanceof HTMLElement);
  if (!rows.length) return;
  const now = rows.findIndex((one) => one.contains(document.activeElement));
  const next = rows[Math.min(rows.length - 1, Math.max(0, now < 0 ? 0 : now + by))];
  const inside = next?.querySelector("a, button");
  (inside instanceof HTMLElement ? inside : next)?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function search() {
  const field = document.querySelector("main input[type=search]");
  if (field instanceof HTMLInputElement) field.select();
  else go(link("/search"));
}

/** Show the keys, or put them away. */
export function help() {
  const open = document.querySelector("dialog[open]");
  if (open instanceof HTMLDialogElement) {
    open.close();
    return;
  }
  const rows = [...ofView, ...EVERYWHERE].map((one) => [h("dt", {}, h("kbd", {}, one.key)), h("dd", {}, one.words)]);
  const close = h("button", { type: "button" }, "Close");
  const dialog = h("dialog", { "aria-label": "Keys" }, h("h2", {}, "Keys"), h("dl", { class: "keys" }, ...rows.flat()), close);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

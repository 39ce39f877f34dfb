// Filters: fields whose values are the address's parameters, so that what is filtered can be sent and gone back to.

import { h } from "./dom.js";
import { here, note } from "./place.js";

/**
 * @param {string} name the parameter
 * @param {string} words
 * @param {[string, string][]} options value and words; the empty value comes first
 * @param {() => void} changed
 */
export function choice(name, words, options, changed) {
  const value = here().get(name) ?? "";
  const known = options.some(([one]) => one === value) ? options : [...options, /** @type {[string, string]} */ ([value, value])];
  const field = h("select", { name }, ...known.map(([one, text]) => h("option", { value: one, selected: one === value }, text)));
  field.addEventListener("change", () => {
    note({ [name]: field.value });
    changed();
  });
  return h("label", {}, h("span", {}, words), field);
}

/**
 * @param {string} name
 * @param {string} words
 * @param {{type?: string, placeholder?: string, list?: string, title?: string}} [how]
 */
export function text(name, words, how = {}) {
  return h("label", {}, h("span", {}, words), h("input", { name, type: "text", autocomplete: "off", spellcheck: "false", value: here().get(name) ?? "", ...how }));
}

/** Values with a word for none before them. @param {string} none @param {string[]} values @returns {[string, string][]} */
export function orNone(none, values) {
  return [["", none], ...values.map((one) => /** @type {[string, string]} */ ([one, one]))];
}

/** @type {[string, string][]} */
export const WINDOWS = [
  ["", "any time"],
  ["15m", "15 minutes"],
  ["1h", "1 hour"],
  ["6h", "6 hours"],
  ["1d", "1 day"],
  ["7d", "7 days"],
];

// How many were out, from the first until now: a staircase that shows whether it still grows.

import { s } from "./dom.js";
import { color } from "./theme.js";

const WIDTH = 120;
const HEIGHT = 28;

/**
 * @param {number[]} counts evenly spread over time
 * @param {string} role
 * @param {string} words what is drawn, for who cannot see it
 */
export function sparkline(counts, role, words) {
  const top = Math.max(1, ...counts);
  const x = (/** @type {number} */ at) => ((at / (counts.length - 1)) * WIDTH).toFixed(1);
  const y = (/** @type {number} */ count) => (HEIGHT - 2 - (count / top) * (HEIGHT - 4)).toFixed(1);
  const steps = counts.map((count, at) => (at ? `H${x(at)}V${y(count)}` : `M0 ${y(count)}`)).join("");
  return s(
    "svg",
    { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words, style: { "--mark": color(role) } },
    s("path", { class: "area", d: `${steps}V${HEIGHT}H0Z` }),
    s("path", { class: "line", d: steps }),
  );
}

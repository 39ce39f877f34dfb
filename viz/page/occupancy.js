// What a pool or a process said of itself over the same axis: in use as an area, waiting as a line, the size dashed.

import { h, s } from "./dom.js";
import { percent } from "./lanes.js";
import { color, look } from "./theme.js";

/** @typedef {import("./types.js").Sample} Sample */
/** @typedef {import("./types.js").Axis} Axis */

const HEIGHT = 64;
const MEASURES = /** @type {const} */ (["used", "max", "pending"]);
/** A limit so far above all values would flatten them: it is said and not drawn. */
const FAR = 4;

/**
 * @param {import("./types.js").Occupancy} pool
 * @param {Axis} axis
 */
export function occupancy(pool, axis) {
  const values = (/** @type {readonly ("used" | "max" | "pending")[]} */ names) => pool.samples.flatMap((one) => names.map((name) => one[name] ?? 0));
  const said = MEASURES.filter((name) => pool.samples.some((one) => one[name] !== null));
  const most = Math.max(1, ...values(["used", "pending"]));
  const far = Math.max(0, ...values(["max"])) > FAR * most;
  const drawn = said.filter((name) => name !== "max" || !far);
  const top = Math.max(1, ...values(drawn));
  const last = (/** @type {"used" | "max" | "pending"} */ name) => pool.samples.findLast((one) => one[name] !== null)?.[name] ?? 0;
  const words = said.map((name) => `${name === "used" ? pool.says : look(name).words} ${last(name).toLocaleString("en-US")}`).join(", ");
  return h(
    "div",
    { class: "lane occupancy" },
    h("span", { class: "label" }, h("b", { class: "what", title: pool.label }, pool.label), h("small", {}, `${words} at last, up to ${most.toLocaleString("en-US")}`)),
    h(
      "span",
      { class: "track" },
      s(
        "svg",
        { viewBox: `0 0 100 ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${pool.label}: ${words}` },
        ...drawn.map((name) => {
          const line = staircase(pool.samples, name, axis, top);
          return s("path", {
            class: name === "used" ? "area" : `line ${name}`,
            d: name === "used" && line ? `${line}V${HEIGHT}H${start(pool.samples, name, axis)}Z` : line,
            style: { "--mark": color(name) },
          });
        }),
      ),
    ),
  );
}

/** @param {Sample[]} samples @param {"used" | "max" | "pending"} name @param {Axis} axis */
function start(samples, name, axis) {
  return percent(axis, samples.find((one) => one[name] !== null)?.at ?? axis.start).toFixed(2);
}

/** A value holds until the next was said. @param {Sample[]} samples @param {"used" | "max" | "pending"} name @param {Axis} axis @param {number} top */
function staircase(samples, name, axis, top) {
  let path = "";
  for (const one of samples) {
    const value = one[name];
    if (value === null) continue;
    const x = percent(axis, one.at).toFixed(2);
    const y = (HEIGHT - 1 - (value / top) * (HEIGHT - 3)).toFixed(1);
    path += path ? `H${x}V${y}` : `M${x} ${y}`;
  }
  return path ? `${path}H100` : "";
}

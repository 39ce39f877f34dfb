// One pool: its connections over time, with its own numbers above them, and how much it lets us see.

import { ask, asking } from "../api.js";
import { levelBadge } from "../coverage.js";
import { fill, h } from "../dom.js";
import { downloads } from "../picture.js";
import { link, moment } from "../place.js";
import { timeline } from "../timeline.js";

/** @param {string} [name] @returns {import("../types.js").View} */
export function show(name = "") {
  const lanes = h("section", { class: "block" });
  const seen = h("section", { class: "block" });
  const element = h("article", {}, h("p", {}, h("a", { href: link("/pools") }, "All pools")), h("h1", {}, name), lanes, seen);
  const drawing = asking(
    (signal) => ask(["diagrams", "pool", name], moment(), signal),
    (/** @type {import("../types.js").Timeline} */ found) => fill(lanes, timeline(found, { heading: true }), downloads(["pool", name], moment(), "pool")),
    lanes,
  );
  const coverage = asking(
    (signal) => ask(["pools"], { ...moment(), pool: name }, signal),
    (/** @type {{pools: import("../types.js").PoolReport[]}} */ { pools }) =>
      fill(
        seen,
        h("h2", {}, "How much can be seen"),
        ...pools.map((one) => h("div", { class: "covered" }, h("p", {}, levelBadge(one.coverage.level), ` ${one.service} ${one.instance}`), h("p", {}, one.coverage.why), one.coverage.hint && h("p", { class: "hint" }, one.coverage.hint))),
      ),
    seen,
  );
  const all = [drawing, coverage];
  return { title: name, element, refresh: () => void all.map((one) => one.again()), close: () => all.forEach((one) => one.close()) };
}

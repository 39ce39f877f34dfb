// How much each pool lets us see. "No findings" and "we cannot see" must never look alike.

import { h } from "./dom.js";
import { link, poolAt } from "./place.js";

/** @typedef {import("./types.js").Coverage} Coverage */

const LEVELS = {
  certain: ["●", "taken and given back are both said"],
  inferred: ["◕", "what is missing is proof"],
  counted: ["◑", "how many, not who"],
  blind: ["○", "a leak would not be seen"],
};

/** @param {Coverage["level"]} level */
export function levelBadge(level) {
  const [glyph, words] = LEVELS[level];
  return h("span", { class: "level", "data-level": level, title: words }, h("span", { "aria-hidden": "true" }, glyph), ` ${level}`);
}

/** @param {Coverage[]} coverage */
export function coverageList(coverage) {
  const blind = coverage.filter((one) => one.level === "blind").length;
  const shown = coverage.slice(0, 100);
  return h(
    "section",
    { class: "coverage", "aria-label": "How much can be seen" },
    h("h2", {}, "How much can be seen"),
    h("p", { class: blind ? "loud" : "quiet" }, blind ? `Blind for ${blind} of ${coverage.length} pools: nothing can be said of these.` : `${coverage.length} pool${coverage.length === 1 ? "" : "s"}, none of them blind.`),
    ...shown.map((one) =>
      h(
        "div",
        { class: "covered" },
        h("p", {}, levelBadge(one.level), " ", h("a", { href: link(poolAt(one.pool)) }, one.pool || "(unnamed pool)"), h("small", {}, ` ${one.service}`)),
        h("details", {}, h("summary", {}, "why, and what would show more"), h("p", {}, one.why), one.hint && h("p", { class: "hint" }, one.hint)),
      ),
    ),
    coverage.length > shown.length && h("p", { class: "quiet" }, `+${coverage.length - shown.length} more: `, h("a", { href: link("/pools") }, "all pools")),
  );
}

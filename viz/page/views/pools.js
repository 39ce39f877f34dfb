// Every pool: how full it is, how much it lets us see, when it was heard of last.

import { ask, asking } from "../api.js";
import { levelBadge } from "../coverage.js";
import { fill, h } from "../dom.js";
import { link, moment, poolAt } from "../place.js";
import { badge, color } from "../theme.js";
import { clock } from "../words.js";

/** @typedef {import("../types.js").PoolReport} PoolReport */

/** @returns {import("../types.js").View} */
export function show() {
  const list = h("div", {});
  const element = h("article", {}, h("h1", {}, "Pools"), list);
  const question = asking((signal) => ask(["pools"], moment(), signal), (/** @type {{pools: PoolReport[]}} */ { pools }) => fill(list, pools.length ? table(pools) : h("p", { class: "quiet" }, "No pool was seen within a day.")), element);
  return { title: "Pools", element, refresh: () => void question.again(), close: question.close };
}

/** @param {PoolReport[]} pools */
function table(pools) {
  const heads = ["Pool", "Coverage", "In use", "Idle", "Waiting", "Timeouts", "Holds out", "Not given back", "Heard of"];
  return h("table", { class: "rows" }, h("thead", {}, h("tr", {}, ...heads.map((one) => h("th", { scope: "col" }, one)))), h("tbody", {}, ...pools.map(row)));
}

/** @param {PoolReport} one */
function row(one) {
  const lost = one.leaked ? badge("leaked", String(one.leaked)) : one.suspected ? badge("suspected", String(one.suspected)) : one.coverage.level === "blind" ? "cannot tell" : "0";
  return h(
    "tr",
    { "data-row": one.pool },
    h("td", { class: "entry" }, h("a", { href: link(poolAt(one.pool)) }, one.pool || "(unnamed)"), h("small", {}, `${one.service} ${one.instance}`), h("small", {}, one.system)),
    h("td", { "data-name": "coverage" }, levelBadge(one.coverage.level), h("p", { class: "quiet" }, one.coverage.level === "certain" ? "" : one.coverage.hint)),
    h("td", { "data-name": "in use" }, fullness(one)),
    number("idle", one.idle),
    number("waiting", one.pending),
    number("timeouts", one.timeouts),
    number("holds out", one.open_holds),
    h("td", { "data-name": "not given back" }, lost),
    h("td", { "data-name": "heard of" }, one.last_at.startsWith("1970") ? "–" : `${clock(one.last_at)} UTC`),
  );
}

/** @param {string} name @param {number | null} value */
function number(name, value) {
  return h("td", { class: "number", "data-name": name }, value === null ? h("span", { class: "quiet", title: "not said" }, "–") : String(value));
}

/** @param {PoolReport} one */
function fullness({ used, max }) {
  if (used === null) return h("span", { class: "quiet", title: "the pool's metrics do not say" }, "not said");
  if (max === null) return String(used);
  const bar = h("meter", { min: 0, max, value: Math.min(used, max), high: max * 0.9, optimum: 0, "aria-label": `${used} of ${max} in use` });
  return h("span", { class: "fullness", style: { "--mark": color("used") } }, bar, ` ${used} of ${max}`);
}

// Traces in one line each: for the search and for the live tail.

import { h } from "./dom.js";
import { link, traceAt } from "./place.js";
import { badge } from "./theme.js";
import { clock, duration, many } from "./words.js";

/** @typedef {import("./types.js").TraceSummary} TraceSummary */

/** @param {TraceSummary[]} traces */
export function traceTable(traces) {
  const longest = Math.max(1, ...traces.map((one) => one.duration));
  return h(
    "table",
    { class: "rows" },
    h("thead", {}, h("tr", {}, ...["Began", "Operation", "Took", "Spans", "Services"].map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, ...traces.map((one) => traceRow(one, longest))),
  );
}

/** @param {TraceSummary} one @param {number} longest */
export function traceRow(one, longest) {
  return h(
    "tr",
    { "data-row": one.trace_id },
    h("td", { class: "since" }, `${clock(one.start)} UTC`, h("small", {}, one.trace_id.slice(0, 8))),
    h("td", { class: "entry" }, h("a", { href: link(traceAt(one.trace_id)) }, one.root_name || "(no root)"), h("small", {}, one.root_service), one.error_count ? badge("error", many(one.error_count, "error")) : null),
    h("td", { class: "out took", "data-name": "took", style: { "--share": one.duration / longest, "--mark": "var(--role-busy)" } }, duration(one.duration)),
    h("td", { class: "number", "data-name": "spans" }, one.span_count.toLocaleString("en-US")),
    h("td", { "data-name": "services" }, one.services.join(", ")),
  );
}

// A Timeline of the server as lanes over one axis, the pool's own numbers above them, and a table that says the same.

import { h } from "./dom.js";
import { legend, ruler, track } from "./lanes.js";
import { occupancy } from "./occupancy.js";
import { link, traceAt } from "./place.js";
import { look } from "./theme.js";
import { duration } from "./words.js";

/** @typedef {import("./types.js").Timeline} Timeline */

/**
 * @param {Timeline} timeline
 * @param {{heading?: boolean}} [how]
 */
export function timeline(timeline, how = {}) {
  const { axis, lanes } = timeline;
  /** @type {HTMLElement[]} */
  const rows = [];
  let group = "";
  for (const lane of lanes) {
    if (lane.group !== group) {
      group = lane.group;
      if (group) rows.push(h("p", { class: "group" }, group));
    }
    const name = h("b", { class: "what", title: lane.label }, lane.label);
    const label = lane.trace_id
      ? h("a", { class: "label", href: link(traceAt(lane.trace_id)), "data-row": true }, name, h("small", {}, lane.detail))
      : h("span", { class: "label" }, name, h("small", {}, lane.detail));
    rows.push(h("div", { class: "lane", "data-role": lane.role }, label, track(lane, axis)));
  }
  return h(
    "figure",
    { class: "timeline", "aria-label": timeline.title },
    how.heading ? h("figcaption", {}, h("strong", {}, timeline.title), h("span", {}, timeline.caption)) : null,
    timeline.occupancy && occupancy(timeline.occupancy, axis),
    h("div", { class: "lane head" }, h("span", { class: "label" }, axis.clock ? "UTC" : "since the start"), ruler(axis)),
    h("div", { class: "lanes" }, ...rows),
    rows.length ? null : h("p", { class: "quiet" }, "No connection to draw."),
    ...timeline.beside.map((one) => occupancy(one, axis)),
    ...timeline.folded.map((line) => h("p", { class: "quiet" }, line)),
    ...timeline.notes.map((line) => h("p", { class: "quiet" }, line)),
    legend(lanes),
    table(timeline),
  );
}

/** @param {Timeline} timeline */
function table({ lanes }) {
  const rows = lanes.map((lane) => {
    const began = lane.segments[0]?.start ?? 0;
    const ended = Math.max(began, ...lane.segments.map((one) => one.end));
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, lane.label),
      h("td", {}, look(lane.role).words),
      h("td", {}, lane.detail),
      h("td", {}, lane.segments.map((one) => `${look(one.role).words} ${duration(one.end - one.start)}`).join(", ")),
      h("td", {}, began ? duration(ended - began) : ""),
      h("td", {}, lane.note),
    );
  });
  const heads = ["what", "state", "trace or connection", "stretches", "drawn for", "note"];
  return h(
    "details",
    { class: "astable" },
    h("summary", {}, "The same as a table"),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "The lanes as a table" },
      h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((one) => h("th", { scope: "col" }, one)))), h("tbody", {}, ...rows)),
    ),
  );
}

// Everything of one span: attributes that can be copied, its logs in place, events, links to other traces.

import { ask, asking } from "./api.js";
import { copyable, fill, h } from "./dom.js";
import { link, traceAt, which } from "./place.js";
import { look } from "./theme.js";
import { duration, exact } from "./words.js";

/** @typedef {{span: import("./types.js").Span, logs: import("./types.js").LogRecord[], way: number[]}} Answer */

/** The panel beside the waterfall. @param {string} trace @param {() => void} left */
export function panel(trace, left) {
  const element = h("aside", { class: "panel", "aria-label": "The chosen span", hidden: true });
  const close = h("button", { type: "button", class: "close", "aria-label": "Close the details", onclick: () => hide() }, "✕");
  /** @type {{close: () => void} | null} */
  let running = null;

  function hide() {
    running?.close();
    element.hidden = true;
    left();
  }

  return {
    element,
    hide,
    /** @param {import("./types.js").Lane} lane */
    show(lane) {
      running?.close();
      element.hidden = false;
      if (lane.trace_id || lane.role === "missing") {
        fill(element, close, ...(lane.role === "missing" ? missing(lane) : hold(lane)));
        return;
      }
      const question = asking(
        (signal) => ask(["traces", trace, "spans", lane.id], which(), signal),
        (/** @type {Answer} */ answer) => fill(element, close, ...details(answer, lane)),
        element,
      );
      running = question;
      void question.again();
    },
  };
}

/** @param {import("./types.js").Lane} lane */
function missing(lane) {
  return [
    h("h2", {}, "This span never came"),
    h("p", {}, "The spans below name it as their parent, but it did not arrive. A span is sent when it ends: one that represents a connection that is never given back never ends."),
    facts([["span", copyable(lane.id, "span id")]]),
  ];
}

/** @param {import("./types.js").Lane} lane */
function hold(lane) {
  return [
    h("h2", {}, lane.label),
    h("p", {}, `${look(lane.role).words}. ${lane.note}`),
    facts(lane.segments.map((one) => [look(one.role).words, duration(one.end - one.start)])),
    lane.markers.length ? facts(lane.markers.map((one) => [look(one.role).words, one.label])) : null,
    lane.detail ? h("p", { class: "quiet" }, lane.detail) : null,
  ];
}

/** @param {Answer} answer @param {import("./types.js").Lane} lane */
function details({ span, logs }, lane) {
  const failed = span.status === "Error";
  return [
    h("h2", {}, span.name),
    failed ? h("p", { class: "loud" }, `${look("error").glyph} ${span.status_message || "error"}`) : null,
    lane.note ? h("p", {}, lane.note) : null,
    facts([
      ["service", span.service],
      ["began", `${exact(span.start)} UTC`],
      ["took", duration(span.duration)],
      ["kind", span.kind],
      ["span", copyable(span.span_id, "span id")],
      ["instance", span.instance],
      ["library", `${span.scope} ${span.scope_version}`],
    ]),
    section("Attributes", span.attributes, true),
    logs.length ? h("details", { open: true }, h("summary", {}, `Logs (${logs.length})`), records(logs)) : null,
    span.events.length ? h("details", { open: true }, h("summary", {}, `Events (${span.events.length})`), ...span.events.map(event)) : null,
    span.links.length ? h("details", { open: true }, h("summary", {}, "Links"), h("ul", {}, ...span.links.map((one) => h("li", {}, h("a", { href: link(traceAt(one.trace_id), { span: one.span_id }) }, one.trace_id))))) : null,
    section("Resource", span.resource, false),
  ];
}

/** @param {import("./types.js").SpanEvent} one */
function event(one) {
  return h("div", { class: "event" }, h("p", {}, h("time", {}, exact(one.at)), " ", h("b", {}, one.name)), attributes(one.attributes));
}

/** Log records in order of time. @param {import("./types.js").LogRecord[]} logs */
export function records(logs) {
  return h(
    "ol",
    { class: "logs" },
    ...logs.map((one) =>
      h("li", {}, h("time", {}, exact(one.at)), " ", h("b", {}, one.severity || one.event_name), ` ${one.body || one.event_name} `, h("small", {}, one.service)),
    ),
  );
}

/** @param {string} name @param {Record<string, string>} found @param {boolean} open */
function section(name, found, open) {
  const count = Object.keys(found).length;
  return count ? h("details", { open }, h("summary", {}, `${name} (${count})`), attributes(found)) : null;
}

/** @param {Record<string, string>} found */
function attributes(found) {
  const rows = Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1));
  return facts(rows.map(([name, value]) => [name, copyable(value, name)]));
}

/** Names and values; what has no value is left out. @param {[string, string | Node][]} rows */
export function facts(rows) {
  const kept = rows.filter(([, value]) => value instanceof Node || value.trim());
  return h("dl", { class: "facts" }, ...kept.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

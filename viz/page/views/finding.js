// One finding: the sentence, the picture of its connections over time, and why we say so, witness by witness.

import { ask, asking } from "../api.js";
import { copyable, fill, h, lazily } from "../dom.js";
import { downloads, picture } from "../picture.js";
import { link, listed, moment, poolAt, traceAt } from "../place.js";
import { facts } from "../span.js";
import { badge, color, look } from "../theme.js";
import { timeline } from "../timeline.js";
import { ago, clock, duration, many, rate } from "../words.js";

/** @typedef {import("../types.js").Finding} Finding */
/** @typedef {{finding: Finding, history: import("../types.js").FindingChange[]}} Answer */

const EXAMPLES = 12;

/** @param {string} [id] @returns {import("../types.js").View} */
export function show(id = "") {
  const top = h("section", { class: "state" });
  const told = h("div", {});
  const lanes = h("section", { class: "block", "aria-label": "Connections over time" });
  const summary = picture(["finding", id], moment, { name: id });
  const starvation = picture(["starvation", id], moment, { name: `${id}-starved`, none: "Nobody is known to have waited long for this pool." });
  const starved = lazily("Who starved whom", starvation.element, starvation.again);
  const element = h("article", { class: "finding" }, top, lanes, starved, told, lazily("The way in, as a picture", summary.element, summary.again));
  const question = asking(
    (signal) => ask(["findings", id], moment(), signal),
    (/** @type {Answer} */ answer) => {
      fill(top, ...heading(answer.finding));
      fill(told, ...why(answer));
      if (answer.finding.impact?.waits) starved.open = true;
      listed(answer.finding.instances.map((one) => one.trace_id));
      document.title = `${answer.finding.entry || id} · tracecollect`;
    },
    top,
  );
  const drawing = asking(
    (signal) => ask(["diagrams", "lifecycle", id], moment(), signal),
    (/** @type {import("../types.js").Timeline} */ found) =>
      fill(lanes, h("h2", {}, "Connections over time"), timeline(found), downloads(["lifecycle", id], moment(), id)),
    lanes,
  );
  return {
    title: id,
    element,
    refresh: () => {
      void question.again();
      void drawing.again();
    },
    close: () => [question, drawing, summary, starvation].forEach((one) => one.close()),
  };
}

/** @param {Finding} one */
function heading(one) {
  const lost = one.leaked_count.toLocaleString("en-US");
  return [
    h("p", { class: "count", style: { "--mark": color(one.verdict) } }, lost, h("small", {}, one.leaked_count === 1 ? "connection" : "connections")),
    h(
      "div",
      {},
      h("p", {}, badge(one.verdict, look(one.verdict).words), ` · ${Math.round(one.confidence * 100)} % sure`),
      h("h1", {}, one.entry || (one.suspects?.[0] && `Probably ${one.suspects[0].entry}`) || "An unknown request"),
      facts([
        ["since", `${clock(one.first_at)} UTC (${ago(one.first_at)}), last ${clock(one.last_at)} UTC`],
        ["code", one.code ? copyable(one.code, "code line") : ""],
        ["statement", one.statement ? copyable(one.statement, "statement") : ""],
        ["pool", h("a", { href: link(poolAt(one.pool)) }, one.pool || "(unnamed)")],
        ["service", `${one.service} ${one.instance}`],
        ...cost(one),
      ]),
    ),
  ];
}

/**
 * How fast, until when, and who suffers; what nobody can say is left out.
 * @param {Finding} one
 * @returns {[string, string][]}
 */
function cost(one) {
  const impact = one.impact;
  const between = (/** @type {string | null | undefined} */ low, /** @type {string | null | undefined} */ high) => (low && high ? `, between ${low} and ${high} at 90 %` : "");
  const speed = (/** @type {number | null | undefined} */ value) => (value === null || value === undefined ? null : rate(value));
  const time = (/** @type {string | null | undefined} */ at) => (at ? clock(at) : null);
  const starved = Math.max(one.starved_requests, impact?.starved ?? 0);
  return [
    ["per hour", one.per_hour === null ? "" : rate(one.per_hour) + between(speed(impact?.per_hour_low), speed(impact?.per_hour_high))],
    ["left", impact && impact.left !== null ? `${impact.left} of ${impact.pool_size ?? "an unknown number"}` : ""],
    ["pool empty", one.exhausted_at ? `${clock(one.exhausted_at)} UTC (${ago(one.exhausted_at)})${between(time(impact?.exhausted_from), time(impact?.exhausted_to))}` : ""],
    ["starved", starved ? `${many(starved, "request")} waited only because of this, ${duration((impact?.starved_seconds ?? 0) * 1e9)} together` : ""],
    ["waited", impact?.waits ? `${many(impact.waits, "request")} waited long for the pool` : ""],
    ["got nothing", impact?.timeouts ? many(impact.timeouts, "request") : ""],
  ];
}

/** Where no span names the request: the operations whose traffic explains what is out. @param {Finding} finding */
function suspects({ suspects: found }) {
  if (!found?.length) return null;
  const rows = found.map((one) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, one.entry),
      h("td", { class: "number" }, `${rate(one.count)} (${rate(one.low)} – ${rate(one.high)})`),
      h("td", {}, ...one.trace_ids.slice(0, 3).flatMap((id) => [h("a", { href: link(traceAt(id)) }, id.slice(0, 8)), " "])),
    ),
  );
  const heads = ["operation", "of the connections, at 90 %", "for example"];
  return h("section", { class: "block" }, h("h2", {}, "Whose traffic explains it"), h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((one) => h("th", { scope: "col" }, one)))), h("tbody", {}, ...rows)));
}

/** @param {Answer} answer */
function why({ finding, history }) {
  const witnesses = h(
    "section",
    { class: "block" },
    h("h2", {}, "Why we say so"),
    h("ul", { class: "evidence" }, ...finding.evidence.map(witness)),
    h("p", { class: "quiet" }, `Read out of ${finding.dialect || "the pool's own numbers"}. In a terminal: `, h("code", {}, `tracecollect explain ${finding.id}`)),
  );
  const before = h(
    "section",
    { class: "block" },
    h("h2", {}, "What was said of it before"),
    history.length
      ? h("ol", { class: "history" }, ...history.map((one) => h("li", {}, h("time", {}, clock(one.at)), " ", badge(one.verdict), ` ${one.leaked_count}: ${one.reason}`)))
      : h("p", { class: "quiet" }, "Nothing yet."),
  );
  const taken = finding.instances.length ? examples(finding) : h("p", { class: "quiet" }, "The pool's own numbers count these connections; no span names the requests that took them.");
  return [h("div", { class: "two" }, witnesses, h("div", {}, suspects(finding), taken, before))];
}

/** @param {import("../types.js").Evidence} one */
function witness(one) {
  const where = one.trace_id && h("a", { href: link(traceAt(one.trace_id), { span: one.span_id }) }, `trace ${one.trace_id.slice(0, 8)}`);
  return h("li", { "data-kind": one.kind }, h("span", { class: "kind" }, one.kind), ` ${one.text} `, where);
}

/** @param {Finding} finding */
function examples({ instances, leaked_count: count }) {
  const rows = instances.slice(0, EXAMPLES).map((one) =>
    h(
      "li",
      { "data-row": one.trace_id },
      h("a", { href: link(traceAt(one.trace_id), one.span_id ? { span: one.span_id } : {}) }, one.trace_id),
      h("small", {}, ` taken ${clock(one.acquired_at)} UTC, held ${duration(one.held_seconds * 1e9)}`),
    ),
  );
  const more = count - rows.length;
  return h("section", { class: "block" }, h("h2", {}, "Requests that took them"), h("ul", { class: "examples" }, ...rows), more > 0 ? h("p", { class: "quiet" }, `and ${more} more`) : null);
}

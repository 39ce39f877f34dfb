// Findings: which operation leaks, how many connections, since when. And beside them how much can be seen at all.

import { ask, asking } from "../api.js";
import { coverageList } from "../coverage.js";
import { fill, h } from "../dom.js";
import { WINDOWS, choice, orNone } from "../fields.js";
import { findingAt, here, link, moment } from "../place.js";
import { sparkline } from "../sparkline.js";
import { badge, color, look } from "../theme.js";
import { ago, clock, many, milliseconds, rate, short } from "../words.js";

/** @typedef {import("../types.js").Overview} Overview */
/** @typedef {import("../types.js").Row} Row */

const FILTERS = ["service", "pool", "verdict", "since"];

/** @returns {import("../types.js").View} */
export function show() {
  const state = h("section", { class: "state", "aria-live": "polite" });
  const filters = h("form", { class: "filters", "aria-label": "Filters", onsubmit: (/** @type {Event} */ event) => event.preventDefault() });
  const rows = h("div", { class: "findings" });
  const beside = h("div", { class: "beside" });
  const element = h("div", { class: "home" }, h("div", { class: "main" }, state, filters, rows), beside);
  let drawnFilters = "";

  const given = () => {
    const query = here();
    const chosen = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
    return { ...moment(), ...chosen };
  };
  const question = asking(
    (signal) => ask(["overview"], given(), signal),
    (/** @type {Overview} */ overview) => {
      fill(state, ...headline(overview));
      const now = JSON.stringify([overview.services, overview.pools, overview.counts, location.search]);
      // Fields that did not change stay as they are: somebody may have one open.
      if (now !== drawnFilters) {
        fill(filters, ...fields(overview));
        drawnFilters = now;
      }
      keepFocus(rows, () => fill(rows, ...list(overview)));
      const open = new Set([...beside.querySelectorAll("details[open]")].map((one) => one.parentElement?.textContent));
      fill(beside, overview.coverage.length ? coverageList(overview.coverage) : null);
      for (const one of beside.querySelectorAll("details")) one.open = open.has(one.parentElement?.textContent);
    },
    element,
  );
  const fields = (/** @type {Overview} */ overview) => {
    if (!overview.services.length) return [];
    const verdicts = /** @type {[string, string][]} */ ([["", "every verdict"], ...Object.entries(overview.counts).map(([one, count]) => [one, `${one.replaceAll("_", " ")} (${count})`])]);
    return [
      choice("service", "Service", orNone("every service", overview.services), question.again),
      choice("pool", "Pool", orNone("every pool", overview.pools), question.again),
      choice("verdict", "Verdict", verdicts, question.again),
      choice("since", "Lost within", WINDOWS, question.again),
    ];
  };
  // Ages grow without asking anybody.
  const clockwork = setInterval(() => {
    for (const one of element.querySelectorAll("time[datetime]")) one.textContent = ago(one.getAttribute("datetime") ?? "");
  }, 1000);
  return {
    title: "Findings",
    element,
    refresh: () => void question.again(),
    close: () => {
      clearInterval(clockwork);
      question.close();
    },
  };
}

/** @param {Overview} overview */
function headline(overview) {
  return [
    h("p", { class: "glyph", "aria-hidden": "true", style: { "--mark": color(overview.role) } }, look(overview.role).glyph),
    h("div", {}, h("h1", { "data-role": overview.role }, overview.headline), h("p", {}, overview.detail)),
    h("p", { class: "quiet judged" }, `as of ${clock(overview.as_of)} UTC`),
  ];
}

/** @param {Overview} overview */
function list(overview) {
  if (!overview.rows.length) {
    const filtered = FILTERS.some((name) => here().get(name));
    if (filtered) return [h("p", { class: "quiet" }, "No leak site fits these filters. ", h("a", { href: link("/") }, "Show all"))];
    return overview.coverage.length ? [h("p", { class: "quiet" }, "No leak site.")] : [nothing()];
  }
  const most = Math.max(...overview.rows.map((one) => one.count), 1);
  const heads = ["Verdict", "Out", "Entry operation, and where", "Pool", "Since", "Per hour", "Pool empty", "Out over time"];
  const table = h(
    "table",
    { class: "rows" },
    h("thead", {}, h("tr", {}, ...heads.map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, ...overview.rows.map((one) => row(one, overview, most))),
  );
  const more = overview.matching - overview.rows.length;
  return [table, more > 0 ? h("p", { class: "quiet" }, `+${many(more, "more leak site")}: choose a service or a pool.`) : null];
}

/** @param {Row} one @param {Overview} overview @param {number} most */
function row(one, overview, most) {
  const where = one.where ? h("code", { title: one.where }, short(one.where, 120)) : h("span", { class: "quiet" }, one.named ? "neither code nor statement was said" : "counted by the pool's own numbers, not named");
  return h(
    "tr",
    { "data-row": one.id, "data-role": one.role },
    h("td", { class: "verdict" }, badge(one.role)),
    h("td", { class: "out", style: { "--share": one.count / most, "--mark": color(one.role) } }, h("b", {}, one.count.toLocaleString("en-US"))),
    h(
      "td",
      { class: "entry" },
      h("a", { href: link(findingAt(one.id)), "aria-label": one.title }, one.entry || (one.suspect && `probably ${one.suspect}`) || "an unknown request"),
      h("small", {}, one.service),
      h("p", { class: one.is_code ? "code" : "statement" }, where),
    ),
    h("td", { class: "pool" }, one.pool || "(unnamed)"),
    h("td", { class: "since" }, `${clock(one.first_at, overview.as_of)} UTC`, h("small", {}, h("time", { datetime: one.first_at }, ago(one.first_at)))),
    h("td", { class: "number", "data-name": "per hour" }, ...perHour(one)),
    h("td", { class: "empty", "data-name": "pool empty" }, exhausted(one, overview)),
    h("td", { class: "growth" }, one.out.length ? sparkline(one.out, one.role, `${one.count} out, growing since ${clock(one.first_at)} UTC`) : null),
  );
}

/** @param {Row} one */
function perHour({ per_hour: value, per_hour_low: low, per_hour_high: high }) {
  if (value === null) return [h("span", { class: "quiet" }, "–")];
  return [rate(value), low === null || high === null ? null : h("small", { title: "90 %" }, ` ${rate(low)} – ${rate(high)}`)];
}

/** When nobody gets a connection any more: a time, how long that is, and what is left until then. @param {Row} one @param {Overview} overview */
function exhausted(one, overview) {
  const left = one.left === null ? null : h("small", {}, `${one.left} left`);
  const starved = one.starved ? h("small", { class: "loud" }, `${many(one.starved, "request")} starved`) : null;
  if (one.exhausted_at === null) return h("span", {}, left ?? h("span", { class: "quiet" }, "–"), starved);
  const now = milliseconds(overview.as_of);
  const over = milliseconds(one.exhausted_at) <= now;
  const [from, to] = [one.exhausted_from, one.exhausted_to];
  return h(
    "span",
    {},
    h("span", { class: over ? "loud" : "" }, over ? "empty since " : "", `${clock(one.exhausted_at, overview.as_of)} UTC`),
    !over && from && to ? h("small", { title: "90 %" }, `between ${clock(from, overview.as_of)} and ${clock(to, overview.as_of)}`) : null,
    left,
    starved,
  );
}

/** The rows are drawn anew; whoever stood on one stands there again. @param {HTMLElement} rows @param {() => void} draw */
function keepFocus(rows, draw) {
  const id = document.activeElement?.closest("[data-row]")?.getAttribute("data-row");
  draw();
  if (!id) return;
  const again = [...rows.querySelectorAll("[data-row]")].find((one) => one.getAttribute("data-row") === id);
  const link = again?.querySelector("a");
  if (link instanceof HTMLElement) link.focus({ preventScroll: true });
}

/** What to do when nothing has arrived, with the words of `tracecollect doctor`. */
function nothing() {
  const checks = h("div", { class: "checks" });
  const element = h(
    "section",
    { class: "nothing" },
    h("h2", {}, "Send the first span"),
    h("p", {}, "Point a service that is instrumented with OpenTelemetry here and start it:"),
    h("pre", {}, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 \\\nOTEL_EXPORTER_OTLP_PROTOCOL=grpc \\\nYOUR-SERVICE"),
    h("p", {}, "Or watch a shop that leaks: ", h("code", {}, "tracecollect demo"), ". What the doctor says:"),
    checks,
  );
  const question = asking((signal) => ask(["status"], {}, signal), (/** @type {import("../types.js").Status} */ status) => fill(checks, ...doctor(status)), checks);
  void question.again();
  return element;
}

/** @param {import("../types.js").Status} status */
function doctor(status) {
  return [
    h(
      "dl",
      { class: "facts" },
      ...status.checks.flatMap((one) => [
        h("dt", {}, badge(one.ok ? "healthy" : "suspected", one.name)),
        h("dd", {}, one.detail, one.hint && h("p", { class: "hint" }, one.hint)),
      ]),
    ),
  ];
}

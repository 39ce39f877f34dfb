// One trace: the waterfall with its connections, what is worth a jump, one span in full, logs, calls, a comparison.

import { Problem, address, ask, asking, problem } from "../api.js";
import { copyable, fill, h, lazily } from "../dom.js";
import { legend } from "../lanes.js";
import { downloads, picture } from "../picture.js";
import { go, here, link, neighbour, note, traceAt, which } from "../place.js";
import { panel, records } from "../span.js";
import { many } from "../words.js";
import { waterfall } from "../waterfall.js";

/** @typedef {import("../types.js").Stretch} Stretch */

/** @param {string} [id] @returns {import("../types.js").View} */
export function show(id = "") {
  const top = h("section", { class: "state" });
  const said = h("div", { class: "said" });
  const details = panel(id, () => {
    note({ span: null }, { replace: true });
    falls.focus();
  });
  /** @type {{errors: number[], missing: number[], holds: number[], found: number[]}} */
  const jumps = { errors: [], missing: [], holds: [], found: [] };
  const falls = waterfall(id, { chosen, loaded, failed: complain });
  const bar = h("div", { class: "bar" });
  const below = h("div", { class: "below" });
  const element = h("article", { class: "trace" }, top, said, bar, h("div", { class: "split" }, falls.element, details.element), below);
  /** @type {{close: () => void}[]} */
  const running = [];

  /** @param {Error} error */
  function complain(error) {
    if (!(error instanceof Problem)) throw error;
    fill(said, problem(error));
  }

  /** @param {import("../types.js").Lane} lane */
  function chosen(lane) {
    details.show(lane);
    note({ span: lane.trace_id ? null : lane.id }, { replace: true });
  }

  /** @param {Stretch} stretch */
  function loaded(stretch) {
    if (stretch.first) return;
    Object.assign(jumps, { errors: stretch.errors, missing: stretch.missing, holds: stretch.holds });
    const { timeline } = stretch;
    const full = timeline.caption.match(/trace (\w+)/)?.[1] ?? id;
    fill(top, h("div", {}, h("h1", {}, timeline.title), h("p", {}, timeline.caption.replace(/^trace \w+ · /, ""), " · ", copyable(full, "trace id")), ...timeline.notes.map((one) => h("p", { class: "quiet" }, one)), ...beyond(stretch)));
    document.title = `${timeline.title} · tracecollect`;
    fill(bar, ...tools());
    if (!below.hasChildNodes()) fill(below, legend(timeline.lanes), ...more(full));
  }

  /** Ways to the other spans of a trace that is too long for one scroll. @param {Stretch} stretch */
  function beyond({ before, after }) {
    /** @param {number | null} skip @param {string} words */
    const way = (skip, words) => (skip === null ? null : h("a", { href: link(traceAt(id), { skip: skip ? String(skip) : null }) }, words));
    const ways = [way(before, "← the spans before these"), way(after, "the spans after these →")].filter((one) => one !== null);
    return ways.length ? [h("p", { class: "ways" }, ...ways.flatMap((one, place) => (place ? [" · ", one] : [one])))] : [];
  }

  function tools() {
    const field = h("input", { type: "search", name: "find", placeholder: "Find in this trace", "aria-label": "Find in this trace", value: here().get("find") ?? "" });
    const count = h("span", { class: "quiet", role: "status" });
    const find = async () => {
      note({ find: field.value || null }, { replace: true });
      /** @type {{lanes: number[]}} */
      const answer = field.value ? await ask(["traces", id, "find"], { ...which(), text: field.value }) : { lanes: [] };
      jumps.found = answer.lanes;
      fill(count, field.value ? many(answer.lanes.length, "span") : "");
      falls.mark(answer.lanes);
      if (answer.lanes.length) jump("found", 1);
    };
    field.addEventListener("change", () => void find().catch(complain));
    field.addEventListener("keydown", (event) => event.key === "Enter" && field.blur());
    if (field.value) void find().catch(complain);
    return [
      field,
      count,
      button("errors", "error", "e"),
      button("missing", "never arrived", "m"),
      button("holds", "connection", "h"),
    ];
  }

  /** @param {"errors" | "missing" | "holds"} kind @param {string} words @param {string} key */
  function button(kind, words, key) {
    const count = jumps[kind].length;
    return h("button", { type: "button", disabled: !count, title: `Next (${key})`, "data-jump": kind, onclick: () => jump(kind, 1) }, `${count.toLocaleString("en-US")} ${words}${count === 1 || words === "never arrived" ? "" : "s"}`);
  }

  /** To the next of a kind, from the chosen lane on and around the end. @param {keyof typeof jumps} kind @param {number} step */
  function jump(kind, step) {
    const rows = kind === "holds" ? jumps.holds : [...jumps[kind]].sort((a, b) => a - b);
    if (!rows.length) return;
    const at = falls.selected();
    const now = rows.indexOf(at);
    const next = now >= 0 ? now + step : kind === "holds" ? 0 : rows.findIndex((row) => row > at);
    falls.choose(rows[(next + rows.length) % rows.length] ?? rows[0] ?? 0);
    falls.focus();
  }

  /** @param {string} full */
  function more(full) {
    const calls = picture(["calls", id], () => ({}), { name: `calls-${id.slice(0, 8)}` });
    const logs = h("div", {});
    const lines = asking((signal) => ask(["traces", id, "logs"], {}, signal), (/** @type {{total: number, logs: import("../types.js").LogRecord[]}} */ answer) => fill(logs, records(answer.logs), answer.total > answer.logs.length ? h("p", { class: "quiet" }, `+${answer.total - answer.logs.length} more: they are at their spans.`) : null, answer.total ? null : h("p", { class: "quiet" }, "No log records came with this trace.")), logs);
    running.push(calls, lines);
    const other = h("input", { type: "text", name: "other", "aria-label": "Trace id to compare with", placeholder: "trace id" });
    const compare = h("form", {}, "Compare with ", other, " ", h("button", {}, "Compare"));
    compare.addEventListener("submit", (event) => {
      event.preventDefault();
      if (other.value) go(link(`/compare/${encodeURIComponent(full)}/${encodeURIComponent(other.value.trim())}`));
    });
    return [
      lazily("Who calls whom", calls.element, calls.again),
      lazily("Logs", logs, lines.again),
      h("section", { class: "block" }, h("h2", {}, "More"), compare, downloads(["trace", id], {}, `trace-${id.slice(0, 8)}`), h("p", {}, "Raw: ", h("a", { href: address(["traces", id, "otlp"]), download: `${full}.otlp.jsonl` }, "OTLP JSON"), ", ", h("a", { href: address(["traces", id]), target: "_blank" }, "everything as JSON"))),
    ];
  }

  async function start() {
    try {
      await falls.load();
      fill(said);
      const span = here().get("span");
      if (span) {
        /** @type {{way: number[]}} */
        const answer = await ask(["traces", id, "spans", span], which());
        falls.choose(answer.way.at(-1) ?? 0);
      }
    } catch (error) {
      if (error instanceof Error && error.name !== "AbortError") complain(error);
    }
  }

  let begun = false;
  return {
    title: `Trace ${id.slice(0, 8)}`,
    element,
    // A whole trace does not change by a judgement; it is read again when the server was away.
    refresh: (event) => {
      if (begun && event !== "back") return;
      begun = true;
      void start();
    },
    keys: [
      { key: "e", words: "next error", press: () => jump("errors", 1) },
      { key: "E", words: "error before", press: () => jump("errors", -1) },
      { key: "m", words: "next span that never arrived", press: () => jump("missing", 1) },
      { key: "h", words: "next connection, those not given back first", press: () => jump("holds", 1) },
      { key: "n", words: "next found", press: () => jump("found", 1) },
      { key: "]", words: "next trace of the list", press: () => beside(1) },
      { key: "[", words: "trace before in the list", press: () => beside(-1) },
      { key: "j", words: "next span", press: () => falls.choose(falls.selected() + 1) },
      { key: "k", words: "span before", press: () => falls.choose(falls.selected() - 1) },
      { key: "← →", words: "fold, unfold", press: () => {} },
      { key: "Escape", words: "close the details", press: () => details.hide() },
    ],
    close: () => {
      falls.close();
      running.forEach((one) => one.close());
    },
  };

  /** @param {number} step */
  function beside(step) {
    const other = neighbour(id, step);
    if (other) go(link(traceAt(other)));
  }
}

// The live tail: findings that changed and traces that came, the newest first.

import { fill, h } from "../dom.js";
import { listen, wantTraces } from "../live.js";
import { findingAt, link, listed } from "../place.js";
import { badge } from "../theme.js";
import { traceRow, traceTable } from "../traces.js";
import { clock } from "../words.js";

/** @typedef {import("../types.js").TraceSummary} TraceSummary */

const KEPT = 200;

/** @returns {import("../types.js").View} */
export function show() {
  const changes = h("ol", { class: "history", "aria-live": "polite" });
  const table = traceTable([]);
  const body = table.querySelector("tbody");
  const waiting = h("p", { class: "quiet" }, "Waiting for the next.");
  const hold = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const element = h("article", {}, h("h1", {}, "Live"), h("section", { class: "block" }, h("h2", {}, "Findings that change"), changes, waiting), h("section", { class: "block" }, h("h2", {}, "Traces that come ", hold), table));
  /** @type {string[]} */
  let ids = [];
  let paused = false;
  hold.addEventListener("click", () => {
    paused = !paused;
    hold.setAttribute("aria-pressed", String(paused));
    fill(hold, paused ? "Go on" : "Pause");
  });
  const end = listen((what, document) => {
    if (what === "finding") {
      waiting.hidden = true;
      changes.prepend(h("li", {}, h("time", {}, clock(document.last_at)), " ", badge(document.role), " ", h("a", { href: link(findingAt(document.id)) }, document.title)));
      while (changes.childElementCount > KEPT) changes.lastElementChild?.remove();
    }
    if (what === "traces" && !paused && body) {
      /** @type {TraceSummary[]} */
      const traces = document.traces;
      const longest = Math.max(1, ...traces.map((one) => one.duration));
      body.prepend(...traces.map((one) => traceRow(one, longest)));
      while (body.childElementCount > KEPT) body.lastElementChild?.remove();
      ids = [...traces.map((one) => one.trace_id), ...ids].slice(0, KEPT);
      listed(ids);
    }
  });
  wantTraces(true);
  return {
    title: "Live",
    element,
    close: () => {
      wantTraces(false);
      end();
    },
  };
}

// Search: every condition is a parameter of the address, so a search is a link.

import { ask, asking } from "../api.js";
import { fill, h } from "../dom.js";
import { choice, text } from "../fields.js";
import { here, listed, note } from "../place.js";
import { traceTable } from "../traces.js";
import { many } from "../words.js";

const LIMIT = 100;
const TEXTS = ["service", "operation", "min_duration", "max_duration", "since", "until"];
/** An id of a trace: to be opened, not searched. */
const ID = /^[0-9a-f]{8,32}$/i;

/** @returns {import("../types.js").View} */
export function show() {
  const found = h("div", { "aria-live": "polite" });
  const services = h("datalist", { id: "known-services" });
  const attributes = h("input", { type: "search", name: "attr", value: here().getAll("attr").join(" "), placeholder: "http.route=/pay  db.system.name=postgresql", title: "name=value, several with spaces between" });
  const form = h(
    "form",
    { class: "filters", role: "search", "aria-label": "Search" },
    h("label", { class: "wide" }, h("span", {}, "Attributes, or a trace id"), attributes),
    text("service", "Service", { list: "known-services" }),
    text("operation", "Operation"),
    text("min_duration", "At least", { placeholder: "200ms" }),
    text("max_duration", "At most", { placeholder: "5s" }),
    text("since", "From", { placeholder: "1h, or a time" }),
    text("until", "To", { placeholder: "now" }),
    choice("error", "Outcome", [["", "any"], ["true", "with errors"]], () => void question.again()),
    h("button", {}, "Search"),
    services,
  );
  const element = h("article", {}, h("h1", {}, "Search"), form, found);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const said = attributes.value.trim();
    if (ID.test(said)) return void location.assign(`/traces/${said.toLowerCase()}`);
    const data = new FormData(form);
    note(Object.fromEntries(TEXTS.map((name) => [name, String(data.get(name) ?? "").trim() || null])));
    const query = here();
    query.delete("attr");
    for (const one of said.split(/\s+/).filter(Boolean)) query.append("attr", one);
    history.replaceState(null, "", `/search${query.size ? `?${query}` : ""}`);
    void question.again();
  });
  const question = asking(
    (signal) => {
      const query = here();
      const given = Object.fromEntries([...TEXTS, "error"].map((name) => [name, query.get(name) ?? ""]));
      return ask(["search"], { ...given, attr: query.getAll("attr"), limit: String(LIMIT) }, signal);
    },
    (/** @type {{traces: import("../types.js").TraceSummary[]}} */ { traces }) => {
      listed(traces.map((one) => one.trace_id));
      const more = traces.length === LIMIT ? ", the newest: narrow it down to see others" : "";
      fill(found, h("p", { class: "quiet" }, traces.length ? `${many(traces.length, "trace")}${more}` : "No trace meets every condition. Without “From” the last hour is searched."), traces.length ? traceTable(traces) : null);
    },
    element,
  );
  const names = asking((signal) => ask(["services"], { since: "1d" }, signal), (/** @type {{services: {service: string}[]}} */ answer) => fill(services, ...[...new Set(answer.services.map((one) => one.service))].map((one) => h("option", { value: one }))), services);
  let begun = false;
  return {
    title: "Search",
    element,
    // What was found stays as it is while somebody reads it.
    refresh: (event) => {
      if (begun && event !== "back") return;
      begun = true;
      void question.again();
      void names.again();
    },
    close: () => [question, names].forEach((one) => one.close()),
  };
}

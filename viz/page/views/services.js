// Who calls whom in a window, as the server lays it out, and every process that was heard of.

import { ask, asking } from "../api.js";
import { fill, h } from "../dom.js";
import { WINDOWS, choice, orNone } from "../fields.js";
import { picture } from "../picture.js";
import { here, link } from "../place.js";
import { clock } from "../words.js";

/** @typedef {import("../types.js").ServiceReport} ServiceReport */

/** @returns {import("../types.js").View} */
export function show() {
  const filters = h("form", { class: "filters", "aria-label": "Filters", onsubmit: (/** @type {Event} */ event) => event.preventDefault() });
  const list = h("section", { class: "block" });
  const asked = () => ({ since: here().get("since") || "1h", until: here().get("until") ?? "" });
  const drawing = picture(["services"], () => ({ ...asked(), service: here().get("service") ?? "" }), {
    name: "services",
    link: (label) => link("/search", { service: label, since: here().get("since") }),
  });
  const element = h("article", {}, h("h1", {}, "Services"), filters, drawing.element, list);
  const question = asking(
    (signal) => ask(["services"], asked(), signal),
    (/** @type {{services: ServiceReport[]}} */ { services }) => {
      const names = [...new Set(services.map((one) => one.service))];
      fill(filters, choice("since", "Within", WINDOWS.map(([value, words]) => (value ? [value, words] : ["", "the last hour"])), refresh), choice("service", "Calls of", orNone("every service", names), refresh));
      fill(list, h("h2", {}, "Processes"), services.length ? table(services) : h("p", { class: "quiet" }, "None was heard of in this window."));
    },
    element,
  );
  const refresh = () => {
    void question.again();
    void drawing.again();
  };
  return { title: "Services", element, refresh, close: () => [question, drawing].forEach((one) => one.close()) };
}

/** @param {ServiceReport[]} services */
function table(services) {
  return h(
    "table",
    { class: "rows" },
    h("thead", {}, h("tr", {}, ...["Service", "Spans", "First", "Last", "Libraries"].map((one) => h("th", { scope: "col" }, one)))),
    h(
      "tbody",
      {},
      ...services.map((one) =>
        h(
          "tr",
          { "data-row": one.instance },
          h("td", { class: "entry" }, h("a", { href: link("/search", { service: one.service }) }, one.service), h("small", {}, one.instance)),
          h("td", { class: "number", "data-name": "spans" }, one.spans.toLocaleString("en-US")),
          h("td", { "data-name": "first" }, `${clock(one.first_at)} UTC`),
          h("td", { "data-name": "last" }, `${clock(one.last_at)} UTC`),
          h("td", { "data-name": "libraries" }, one.scopes.join(", ")),
        ),
      ),
    ),
  );
}

// A Graph as the server's Graphviz laid it out, with a table that says the same; and a diagram in other notations.

import { address, ask, asking } from "./api.js";
import { fill, h } from "./dom.js";
import { isDark, look } from "./theme.js";

/** @typedef {import("./types.js").Graph} Graph */
/** @typedef {import("./api.js").Parameters} Parameters */

const DOWNLOADS = [
  ["svg", "SVG", "svg"],
  ["png", "PNG", "png"],
  ["dot", "DOT", "gv"],
  ["mermaid", "Mermaid", "mmd"],
  ["json", "JSON", "json"],
  ["html", "HTML", "html"],
];

/**
 * Links that keep a diagram in each notation.
 * @param {string[]} path below diagrams/
 * @param {Parameters} parameters
 * @param {string} name of the file
 */
export function downloads(path, parameters, name) {
  return h(
    "p",
    { class: "downloads" },
    "Keep as ",
    ...DOWNLOADS.map(([notation = "", words = "", suffix = ""]) =>
      h("a", { href: address(["diagrams", ...path], { ...parameters, as: notation }), download: `${name}.${suffix}` }, words),
    ),
  );
}

/**
 * A graph that follows its question: `again` asks anew, `close` gives up.
 * @param {string[]} path below diagrams/
 * @param {() => Parameters} parameters
 * @param {{name: string, link?: (label: string) => string | null, none?: string}} how `link`: where a node leads
 */
export function picture(path, parameters, how) {
  const element = h("figure", { class: "picture" });
  const body = h("div", {});
  element.append(body);
  const image = h("img", { alt: "", class: "laid" });
  const paint = () => image.setAttribute("src", address(["diagrams", ...path], { ...parameters(), as: "svg", dark: String(isDark()) }));
  addEventListener("paper", paint);
  const question = asking(
    (signal) => ask(["diagrams", ...path], parameters(), signal),
    (/** @type {Graph} */ graph) => {
      image.alt = `${graph.title}. ${graph.caption}`;
      paint();
      const empty = graph.nodes.length === 0;
      fill(
        body,
        empty ? h("p", { class: "quiet" }, how.none ?? "Nothing to draw in this window.") : h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Drawing" }, image),
        empty ? null : downloads(path, parameters(), how.name),
        empty ? null : table(graph, how.link),
      );
    },
    element,
  );
  return {
    element,
    again: question.again,
    close: () => {
      question.close();
      removeEventListener("paper", paint);
    },
  };
}

/** @param {Graph} graph @param {((label: string) => string | null) | undefined} link */
function table(graph, link) {
  const names = new Map(graph.nodes.map((node) => [node.id, node.label]));
  const named = (/** @type {string} */ id) => {
    const label = names.get(id) ?? id;
    const href = link?.(label);
    return href ? h("a", { href }, label) : label;
  };
  const nodes = graph.nodes.map((node) =>
    h("tr", {}, h("th", { scope: "row" }, named(node.id)), h("td", {}, look(node.role).words), h("td", {}, node.detail), h("td", {}, node.group)),
  );
  const edges = graph.edges.map((edge) =>
    h("tr", {}, h("th", { scope: "row" }, named(edge.source)), h("td", {}, "→"), h("td", {}, named(edge.target)), h("td", {}, edge.label)),
  );
  return h(
    "details",
    { class: "astable" },
    h("summary", {}, "The same as a table"),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "The drawing as a table" },
      h("table", {}, head("what", "is", "says", "in"), h("tbody", {}, ...nodes)),
      h("table", {}, head("from", "", "to", "says"), h("tbody", {}, ...edges)),
    ),
  );
}

/** @param {...string} words */
function head(...words) {
  return h("thead", {}, h("tr", {}, ...words.map((one) => (one ? h("th", { scope: "col" }, one) : h("td", {})))));
}

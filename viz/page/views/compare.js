// Two traces beside each other: what only one of them did, or did otherwise.

import { h } from "../dom.js";
import { picture } from "../picture.js";
import { link, traceAt } from "../place.js";

/** @param {string} [first] @param {string} [second] @returns {import("../types.js").View} */
export function show(first = "", second = "") {
  const drawing = picture(["compare", first, second], () => ({}), { name: "compare" });
  const element = h(
    "article",
    {},
    h("h1", {}, "Two traces compared"),
    h("p", {}, "First ", h("a", { href: link(traceAt(first)) }, first), ", second ", h("a", { href: link(traceAt(second)) }, second), ". ", h("a", { href: link(`/compare/${encodeURIComponent(second)}/${encodeURIComponent(first)}`) }, "The other way round")),
    drawing.element,
  );
  let begun = false;
  return {
    title: "Compare",
    element,
    refresh: (event) => {
      if (begun && event !== "back") return;
      begun = true;
      void drawing.again();
    },
    close: drawing.close,
  };
}

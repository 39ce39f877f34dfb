// An address that leads nowhere.

import { h } from "../dom.js";

/** @returns {import("../types.js").View} */
export function show() {
  return { title: "Nothing here", element: h("article", {}, h("h1", {}, "There is nothing at this address"), h("p", {}, h("a", { href: "/" }, "The findings"))) };
}

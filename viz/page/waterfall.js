// A waterfall of any length: only the lanes in sight are elements, and only those around them were asked for.
// Lanes have numbers from 0; a folded one hides the `below` lanes that follow it.

import { ask } from "./api.js";
import { fill, h } from "./dom.js";
import { ruler, track } from "./lanes.js";
import { which } from "./place.js";
import { look } from "./theme.js";

/** @typedef {import("./types.js").Stretch} Stretch */
/** @typedef {import("./types.js").Lane} Lane */

const HEIGHT = 26;
const PAGE = 300;
/** Lanes kept besides those in sight. */
const KEPT = 40 * PAGE;
/** Browsers draw nothing beyond some tens of millions of pixels: longer traces scroll faster than the wheel. */
const TALLEST = 8_000_000;

/**
 * @param {string} trace
 * @param {{chosen: (lane: Lane, row: number) => void, loaded: (stretch: Stretch) => void, failed: (error: Error) => void}} tell
 */
export function waterfall(trace, tell) {
  /** @type {Map<number, {lane: Lane, below: number}>} */
  const lanes = new Map();
  /** @type {Set<number>} */
  const asked = new Set();
  /** @type {Map<number, number>} row of a folded lane → how many it hides */
  const folded = new Map();
  /** @type {Set<number>} */
  let found = new Set();
  /** @type {Map<number, HTMLElement>} lanes that are elements now: what stays in sight stays what it is */
  let shown = new Map();
  let total = 0;
  let selected = -1;
  let closed = new AbortController();
  /** @type {Stretch["timeline"]["axis"] | null} */
  let axis = null;

  const head = h("div", { class: "lane head" });
  const inside = h("div", { class: "tall" });
  const rows = h("div", { class: "visible" });
  inside.append(rows);
  const box = h("div", { class: "waterfall", role: "treegrid", tabindex: "0", "aria-label": "Spans and connections" }, inside);
  const element = h("div", { class: "wfall" }, head, box);
  box.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  box.addEventListener("keydown", press);
  const watch = new ResizeObserver(() => draw());
  watch.observe(box);

  /** How many lanes are hidden before and how many there are. */
  const hidden = () => [...folded.values()].reduce((sum, count) => sum + count, 0);
  const visible = () => total - hidden();

  /** The lane that stands at a place. @param {number} place */
  function rowAt(place) {
    let row = place;
    for (const [at, count] of sorted()) {
      if (at >= row) break;
      row += count;
    }
    return row;
  }

  /** Where a lane stands. @param {number} row */
  function placeOf(row) {
    let before = 0;
    for (const [at, count] of sorted()) {
      if (at >= row) break;
      before += Math.min(count, row - at - 1) + (row <= at + count ? 1 : 0);
    }
    return row - before;
  }

  /** Folded lanes that no other hides, in order. */
  function sorted() {
    return [...folded].sort(([a], [b]) => a - b);
  }

  const tallness = () => Math.min(visible() * HEIGHT, TALLEST);

  function draw() {
    if (!axis) return;
    const room = Math.ceil(box.clientHeight / HEIGHT) + 2;
    const most = Math.max(1, tallness() - box.clientHeight);
    const share = Math.min(1, box.scrollTop / most);
    const last = Math.max(0, visible() - Math.floor(box.clientHeight / HEIGHT));
    const exact = visible() * HEIGHT > TALLEST ? share * last : box.scrollTop / HEIGHT;
    const first = Math.max(0, Math.floor(exact) - 1);
    inside.style.height = `${tallness()}px`;
    box.style.setProperty("--tall", `${tallness() + 4}px`);
    rows.style.transform = `translateY(${Math.max(0, box.scrollTop - (exact - first) * HEIGHT)}px)`;
    const drawn = new Map();
    for (let place = first; place < Math.min(visible(), first + room); place += 1) {
      const row = rowAt(place);
      drawn.set(row, (lanes.has(row) && shown.get(row)) || rowElement(row));
    }
    for (const [row, element] of shown) if (drawn.get(row) !== element) element.remove();
    let next = rows.firstElementChild;
    for (const element of drawn.values()) {
      if (element === next) next = next?.nextElementSibling ?? null;
      else rows.insertBefore(element, next);
    }
    shown = drawn;
    box.setAttribute("aria-rowcount", String(total));
    if (selected >= 0) box.setAttribute("aria-activedescendant", `lane-${selected}`);
  }

  /** Draw what is in sight anew: something about the lanes has changed, not only what is in sight of them. */
  function redraw() {
    for (const element of shown.values()) element.remove();
    shown = new Map();
    draw();
  }

  /** @param {number} row */
  function rowElement(row) {
    const known = lanes.get(row);
    const place = { id: `lane-${row}`, role: "row", "aria-rowindex": row + 1, "aria-selected": String(row === selected) };
    if (!known || !axis) {
      need(row);
      return h("div", { ...place, class: "lane loading" }, h("span", { class: "label", role: "gridcell" }, "…"));
    }
    const { lane, below } = known;
    const open = below > 0 ? !folded.has(row) : undefined;
    const fold = below > 0 ? h("i", { class: "fold", "aria-hidden": "true" }, open ? "▾" : `▸`) : h("i", { class: "fold" });
    const label = h(
      "span",
      { class: "label", role: "gridcell", title: `${lane.label}${lane.detail ? ` · ${lane.detail}` : ""}`, style: { "--depth": Math.min(lane.depth, 24) } },
      fold,
      h("i", { class: "glyph", "aria-hidden": "true", style: { "--mark": `var(--role-${lane.role.replaceAll("_", "-")})` } }, look(lane.role).glyph),
      h("b", { class: "what" }, lane.label),
      h("small", {}, open === false ? `+${below} folded` : lane.detail),
    );
    const state = lane.role === "span" ? "" : `${look(lane.role).words}, `;
    const bar = h("span", { role: "gridcell", class: "cell", "aria-label": `${state}${lane.note}` }, track(lane, axis));
    const element = h("div", { ...place, class: found.has(row) ? "lane found" : "lane", "data-role": lane.role, "aria-level": lane.depth + 1, "aria-expanded": open === undefined ? null : String(open) }, label, bar);
    fold.addEventListener("click", (event) => {
      event.stopPropagation();
      toggle(row);
    });
    element.addEventListener("click", () => choose(row));
    return element;
  }

  /** Ask for the stretch that a lane is in. @param {number} row */
  function need(row) {
    const first = Math.floor(row / PAGE) * PAGE;
    if (asked.has(first)) return;
    asked.add(first);
    void read(first).catch((error) => {
      asked.delete(first);
      if (!closed.signal.aborted) tell.failed(error);
    });
  }

  /** @param {number} first */
  async function read(first) {
    /** @type {Stretch} */
    const stretch = await ask(["traces", trace, "lanes"], { ...which(), first: String(first), limit: String(PAGE) }, closed.signal);
    if (!axis || first === 0) {
      axis = stretch.timeline.axis;
      fill(head, h("span", { class: "label" }, "since the start"), ruler(axis));
    }
    total = stretch.total;
    stretch.timeline.lanes.forEach((lane, number) => lanes.set(first + number, { lane, below: stretch.below[number] ?? 0 }));
    forget(first);
    tell.loaded(stretch);
    redraw();
  }

  /** What is far from the newest stretch can be asked for again. @param {number} near */
  function forget(near) {
    if (lanes.size <= KEPT) return;
    for (const row of [...lanes.keys()]) if (Math.abs(row - near) > KEPT / 2 && !folded.has(row)) lanes.delete(row);
    for (const first of [...asked]) if (Math.abs(first - near) > KEPT / 2) asked.delete(first);
  }

  /** @param {number} row */
  function toggle(row) {
    const known = lanes.get(row);
    if (!known?.below) return;
    if (folded.delete(row)) return redraw();
    // What lies inside is unfolded: an inner one would be counted twice.
    for (const inner of [...folded.keys()]) if (inner > row && inner <= row + known.below) folded.delete(inner);
    folded.set(row, known.below);
    redraw();
  }

  /** Unfold whatever hides a lane. @param {number} row */
  function reveal(row) {
    for (const [at, count] of folded) if (row > at && row <= at + count) folded.delete(at);
  }

  /** Bring a lane into sight. @param {number} row */
  function show(row) {
    reveal(row);
    const place = placeOf(row);
    const tall = visible() * HEIGHT > TALLEST;
    const room = box.clientHeight / HEIGHT;
    const top = tall ? (place / Math.max(1, visible() - room)) * (tallness() - box.clientHeight) : place * HEIGHT;
    if (tall || top < box.scrollTop || top > box.scrollTop + box.clientHeight - 2 * HEIGHT) box.scrollTop = Math.max(0, top - box.clientHeight / 3);
    redraw();
  }

  /** Select a lane and show it; its details follow when it was read. @param {number} row */
  function choose(row) {
    if (row < 0 || row >= total) return;
    selected = row;
    show(row);
    const known = lanes.get(row);
    if (known) tell.chosen(known.lane, row);
    else {
      const first = Math.floor(row / PAGE) * PAGE;
      asked.add(first);
      void read(first).then(() => {
        const now = lanes.get(row);
        if (now && selected === row) tell.chosen(now.lane, row);
      }, tell.failed);
    }
  }

  /** @param {KeyboardEvent} event */
  function press(event) {
    const known = lanes.get(selected);
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 20, PageUp: -20 }[event.key];
    if (step !== undefined) choose(rowAt(Math.min(visible() - 1, Math.max(0, (selected < 0 ? -1 : placeOf(selected)) + step))));
    else if (event.key === "Home") choose(0);
    else if (event.key === "End") choose(rowAt(visible() - 1));
    else if (event.key === "ArrowLeft" && known?.below && !folded.has(selected)) toggle(selected);
    else if (event.key === "ArrowRight" && folded.has(selected)) toggle(selected);
    else if (event.key === "Enter" && known) tell.chosen(known.lane, selected);
    else return;
    event.preventDefault();
  }

  return {
    element,
    /** Read from the beginning. */
    async load() {
      closed.abort();
      closed = new AbortController();
      lanes.clear();
      asked.clear();
      asked.add(0);
      await read(0);
    },
    choose,
    /** Mark the lanes that were searched for. @param {number[]} rows */
    mark(rows) {
      found = new Set(rows);
      redraw();
    },
    selected: () => selected,
    focus: () => box.focus({ preventScroll: true }),
    close() {
      closed.abort();
      watch.disconnect();
    },
  };
}

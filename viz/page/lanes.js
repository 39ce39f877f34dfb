// One lane: its stretches, its moments and its note, placed on an axis by fractions. The same for every timeline.

import { h } from "./dom.js";
import { color, look } from "./theme.js";
import { duration } from "./words.js";

/** @typedef {import("./types.js").Lane} Lane */
/** @typedef {import("./types.js").Axis} Axis */

/** Where a moment lies, in percent. @param {Axis} axis @param {number} at */
export function percent(axis, at) {
  if (axis.end <= axis.start) return 0;
  return Math.min(100, Math.max(0, ((at - axis.start) / (axis.end - axis.start)) * 100));
}

/**
 * The track of a lane. A note stands behind the last mark, or before the first where there is no room.
 * @param {Lane} lane
 * @param {Axis} axis
 */
export function track(lane, axis) {
  const marks = lane.segments.map((one) => {
    const left = percent(axis, one.start);
    const title = `${look(one.role).words}${one.label ? `: ${one.label}` : ""}, ${duration(one.end - one.start)}`;
    return h("i", {
      class: "segment",
      "data-pattern": look(one.role).pattern,
      "data-role": one.role,
      title,
      style: { left: `${left}%`, width: `${percent(axis, one.end) - left}%`, "--mark": color(one.role) },
    });
  });
  const moments = lane.markers.map((one) =>
    h(
      "i",
      {
        class: "moment",
        "data-role": one.role,
        title: one.label || look(one.role).words,
        style: { left: `${percent(axis, one.at)}%`, "--mark": color(one.role) },
      },
      look(one.role).glyph,
    ),
  );
  return h("span", { class: lane.endless ? "track endless" : "track" }, ...marks, ...moments, note(lane, axis));
}

/** @param {Lane} lane @param {Axis} axis */
function note(lane, axis) {
  if (!lane.note) return null;
  const ends = [...lane.segments.map((one) => one.end), ...lane.markers.map((one) => one.at)];
  const starts = [...lane.segments.map((one) => one.start), ...lane.markers.map((one) => one.at)];
  const right = ends.length ? percent(axis, Math.max(...ends)) : 0;
  const left = starts.length ? percent(axis, Math.min(...starts)) : 0;
  const loud = lane.role === "leaked" || lane.role === "suspected" || lane.role === "error";
  const place = right < 72 ? { left: `${right}%` } : left > 28 ? { right: `${100 - left}%` } : { right: "0%" };
  const how = right < 72 || left > 28 ? "near" : "inside";
  return h("span", { class: `note ${how}${loud ? " loud" : ""}`, style: { ...place, "--mark": color(lane.role) } }, lane.note);
}

/** The labelled moments over the lanes. @param {Axis} axis */
export function ruler(axis) {
  const ticks = axis.ticks.map((tick) => {
    const at = percent(axis, tick.at);
    return h("span", { class: at > 92 ? "tick last" : "tick", style: { left: `${at}%` } }, tick.label);
  });
  return h("span", { class: "track ruler", "aria-hidden": "true" }, ...ticks);
}

/** The roles of these lanes with their words: what the marks mean. @param {Iterable<Lane>} lanes */
export function legend(lanes) {
  const roles = new Set();
  for (const lane of lanes) for (const one of [...lane.segments, ...lane.markers]) roles.add(one.role);
  return h(
    "ul",
    { class: "legend", "aria-label": "What the marks mean" },
    ...[...roles].map((role) =>
      h(
        "li",
        {},
        h("i", { class: "segment", "data-pattern": look(role).pattern, "data-role": role, style: { "--mark": color(role) } }),
        look(role).words,
      ),
    ),
  );
}

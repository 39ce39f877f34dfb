// How times and numbers are written: as the terminal writes them, and always in UTC.

const SECOND = 1e9;

/**
 * Three significant figures, without zeros that say nothing.
 * @param {number} value
 */
function figures(value) {
  if (value >= 99.95) return value.toFixed(0);
  const text = value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
  return text.replace(/\.?0+$/, "");
}

/**
 * `850 µs`, `41.2 ms`, `2.04 s`, `1 m 02 s`, `3 h 07 m`, `2 d 04 h`.
 * @param {number} nanoseconds
 * @returns {string}
 */
export function duration(nanoseconds) {
  if (nanoseconds < 0) return `−${duration(-nanoseconds)}`;
  if (nanoseconds < 999.5) return nanoseconds ? `${Math.round(nanoseconds)} ns` : "0 ms";
  if (nanoseconds < 999.5e3) return `${figures(nanoseconds / 1e3)} µs`;
  if (nanoseconds < 999.5e6) return `${figures(nanoseconds / 1e6)} ms`;
  if (nanoseconds < 59.95 * SECOND) return `${figures(nanoseconds / SECOND)} s`;
  const seconds = Math.round(nanoseconds / SECOND);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
  return `${Math.floor(minutes / 1440)} d ${two(Math.floor((minutes % 1440) / 60))} h`;
}

/**
 * A time of day in UTC, with the date when it is not of the day of `beside`.
 * @param {string} instant RFC 3339 in UTC
 * @param {string} [beside] another instant; today if it is not given
 */
export function clock(instant, beside = new Date().toISOString()) {
  const day = instant.slice(0, 10);
  return day === beside.slice(0, 10) ? instant.slice(11, 19) : `${day} ${instant.slice(11, 19)}`;
}

/**
 * A time of day as exact as a log needs it.
 * @param {string} instant
 */
export function exact(instant) {
  return `${instant.slice(11, 19)}${instant.slice(19, 23).padEnd(4, "0").replace(/^0|^Z.*/, ".")}`.slice(0, 12);
}

/** @param {string} instant */
export function milliseconds(instant) {
  return Date.parse(instant.replace(/(\.\d{3})\d+Z$/, "$1Z"));
}

/**
 * How long before `now` an instant was: `4 m 10 s ago`, `in 2 h 05 m`.
 * @param {string} instant
 * @param {number} [now] milliseconds
 */
export function ago(instant, now = Date.now()) {
  const passed = (now - milliseconds(instant)) * 1e6;
  const coarse = Math.abs(passed) < 60e9 ? Math.round(passed / 1e9) * 1e9 : passed;
  return passed >= 0 ? `${coarse ? duration(coarse) : "0 s"} ago` : `in ${duration(-coarse)}`;
}

/**
 * `1 connection`, `45 connections`.
 * @param {number} count
 * @param {string} noun
 */
export function many(count, noun) {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

/** @param {number} value */
export function rate(value) {
  return value >= 10 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(2)));
}

/**
 * At most so many characters; the whole text belongs into a title.
 * @param {string} text
 * @param {number} most
 */
export function short(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

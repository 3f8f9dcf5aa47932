/** Times as people read them. */

import { element } from "./elements.js";

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const EXACT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** @type {[Intl.RelativeTimeFormatUnit, number][]} each unit with its seconds */
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

/** @param {Date} moment */
export function clock(moment) {
  return CLOCK.format(moment);
}

/** @param {Date} moment @returns {string} as "5 minutes ago" */
export function fromNow(moment) {
  const seconds = Math.round((moment.getTime() - Date.now()) / 1_000);
  const [unit, length] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? ["second", 1];
  return RELATIVE.format(Math.trunc(seconds / length), unit);
}

/**
 * A time as an element, whose title is exact.
 *
 * @param {string | null} iso null shows a dash
 */
export function time(iso) {
  if (!iso) return "–";
  const moment = new Date(iso);
  return element("time", { datetime: iso, title: EXACT.format(moment) }, fromNow(moment));
}

/** @param {number} seconds @returns {string} as "1 d 02:03:04" */
export function countdown(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  const days = Math.floor(left / 86_400);
  const rest = [left / 3_600 % 24, left / 60 % 60, left % 60]
    .map((each) => String(Math.floor(each)).padStart(2, "0")).join(":");
  return days > 0 ? `${days} d ${rest}` : rest;
}

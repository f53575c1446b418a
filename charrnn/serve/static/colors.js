// Colors of characters: by surprise in bits, or by the activity of a unit. The classes have the
// meaning that they have in charrnn's reports.

import { create } from "./dom.js";

const MAX_SURPRISE_LEVEL = 9;
const ACTIVITY_SHADES = 6; // below zero, and as many above

export function surpriseClass(bits) {
  if (bits === null) return "";
  return `s${Number.isFinite(bits) ? Math.min(MAX_SURPRISE_LEVEL, Math.floor(bits)) : MAX_SURPRISE_LEVEL}`;
}

export function activityClass(activity) {
  const level = Math.round(activity * ACTIVITY_SHADES);
  return `${level < 0 ? "n" : "p"}${Math.abs(level)}`;
}

// Fill a legend for the coloring "surprise" or "unit"; hide it for any other.
export function setLegend(element, coloring) {
  const surprise = Array.from({ length: 10 }, (_, level) => [`s${level}`, level === 9 ? "9+" : level]);
  const activity = [["n6", "\u22121"], ["n3", "\u2212\u00bd"], ["p0", "0"], ["p3", "\u00bd"], ["p6", "+1"]];
  const entries = { surprise, unit: activity }[coloring] ?? [];
  const unit = { surprise: " bits", unit: " activity" }[coloring] ?? "";
  element.hidden = !entries.length;
  element.replaceChildren(
    ...entries.map(([className, label]) => create("i", { className, textContent: label })), unit);
}

/** The colours of `user_prefs`, and what is done with any colour. */

/** Four colours by their keys in the document, by the name of the palette. */
export const PALETTES = {
  Sand: { background: "#f3e7d3", surface: "#fffaf2", text: "#3a2a1a", accent: "#d9541e" },
  Lagoon: { background: "#d5ecef", surface: "#f5fcfd", text: "#0c2f3a", accent: "#0e8fa8" },
  Meadow: { background: "#dcebd5", surface: "#f8fcf5", text: "#1d3320", accent: "#3b8d42" },
  Dusk: { background: "#1d1a2e", surface: "#2b2744", text: "#ece8fb", accent: "#b18cff" },
};

/** Of a document that does not exist yet, and in the place of what is no colour. */
export const DEFAULT = PALETTES.Sand;

export const KEYS = Object.keys(DEFAULT);

const brush = document.createElement("canvas").getContext("2d");

/**
 * Any CSS colour as a colour input takes it: other writers may say "tomato".
 *
 * @param {unknown} value
 * @param {string} key
 */
export function toHex(value, key) {
  brush.fillStyle = DEFAULT[key];
  if (typeof value === "string") brush.fillStyle = value;
  return brush.fillStyle.startsWith("#") ? brush.fillStyle : DEFAULT[key];
}

/**
 * The colour of text on a background: the one with more contrast, which is always more than 4.5.
 *
 * @param {string} hex of the background
 */
export function inkOn(hex) {
  const linear = [1, 3, 5].map((at) => (parseInt(hex.slice(at, at + 2), 16) / 255) ** 2.2);
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return (luminance + 0.05) ** 2 > 1.05 * 0.05 ? "#000" : "#fff";
}

/** Who a pane is: a name made up once, kept for as long as the window is open. */

const KEY = "syncline-demo-";

const QUALITIES = [
  "Brave", "Bright", "Calm", "Clever", "Curious", "Eager", "Gentle", "Happy",
  "Jolly", "Kind", "Lively", "Lucky", "Merry", "Quick", "Quiet", "Sunny",
];
const ANIMALS = [
  "Badger", "Beaver", "Dolphin", "Falcon", "Fox", "Gecko", "Heron", "Ibex",
  "Koala", "Lynx", "Marten", "Otter", "Panda", "Raven", "Seal", "Wombat",
];

/** @param {string} side of the pane @returns {string} */
export function readIdentity(side) {
  return sessionStorage.getItem(KEY + side) ?? keepIdentity(side, `${any(QUALITIES)} ${any(ANIMALS)}`);
}

/** @param {string} side of the pane @param {string} identity */
export function keepIdentity(side, identity) {
  sessionStorage.setItem(KEY + side, identity);
  return identity;
}

/**
 * An access token of the demo, and the response that it came with.
 *
 * @param {string} identity
 * @param {typeof globalThis.fetch} fetch of the pane's network
 * @returns {Promise<{ token: string, response: Response }>}
 */
export async function fetchToken(identity, fetch) {
  const address = new URL(`token?identity=${encodeURIComponent(identity)}`, import.meta.url);
  const response = await fetch(address);
  // Something in between may have answered with a page.
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.message ?? `HTTP ${response.status}`);
  return { token: body.token, response };
}

/** @param {string[]} words */
function any(words) {
  return words[Math.floor(Math.random() * words.length)];
}

/** Who this window is: a name made up once, kept for as long as the window is open. */

const KEY = "syncline-demo-identity";

const QUALITIES = [
  "Brave", "Bright", "Calm", "Clever", "Curious", "Eager", "Gentle", "Happy",
  "Jolly", "Kind", "Lively", "Lucky", "Merry", "Quick", "Quiet", "Sunny",
];
const ANIMALS = [
  "Badger", "Beaver", "Dolphin", "Falcon", "Fox", "Gecko", "Heron", "Ibex",
  "Koala", "Lynx", "Marten", "Otter", "Panda", "Raven", "Seal", "Wombat",
];

/** @returns {string} */
export function readIdentity() {
  return sessionStorage.getItem(KEY) ?? keepIdentity(`${any(QUALITIES)} ${any(ANIMALS)}`);
}

/** @param {string} identity */
export function keepIdentity(identity) {
  sessionStorage.setItem(KEY, identity);
  return identity;
}

/**
 * An access token of the demo; only this machine gets one.
 *
 * @param {string} identity
 * @returns {Promise<string>}
 */
export async function fetchToken(identity) {
  const response = await fetch(`/demo/token?identity=${encodeURIComponent(identity)}`);
  // Something in between may have answered with a page.
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.message ?? `HTTP ${response.status}`);
  return body.token;
}

/** @param {string[]} words */
function any(words) {
  return words[Math.floor(Math.random() * words.length)];
}

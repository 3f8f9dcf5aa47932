/**
 * Login by the identity provider: authorization code flow with PKCE (RFC 7636).
 *
 * `state`, `nonce` and the code verifier wait in the storage of this window while the person is at
 * the provider, once, so that a code that another page has begun is refused. The session that the
 * server gives for the code stays in the page's memory, as every login does.
 */

import { Api, ApiError } from "./api.js";

/** @import { JsonObject } from "/syncline/protocol.js" */

const PATH = "/console/login";

/** Name in the window's storage. */
const PENDING = "syncline.login";

/** Milliseconds after which a login that was begun is no longer accepted. */
const PATIENCE = 15 * 60_000;

/** Random bytes of `state`, `nonce` and the code verifier. */
const BYTES = 32;

/** @returns {Promise<string | null>} the provider's URL; null if none logs in here */
export async function provider() {
  return (await ask("GET", PATH)).provider;
}

/** Go to the provider, which sends the person back to this page. */
export async function goToProvider() {
  if (!globalThis.isSecureContext) {
    throw new ApiError("This login needs HTTPS, or a page that is opened as localhost.");
  }
  const about = await ask("GET", `${PATH}/provider`);
  const [state, nonce, verifier] = [random(), random(), random()];
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const pending = { state, nonce, verifier, issuer: about.issuer, hash: location.hash, at: Date.now() };
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  const url = new URL(about.authorization_endpoint);
  const query = {
    response_type: "code",
    client_id: about.client_id,
    redirect_uri: about.redirect_uri,
    scope: about.scope,
    state,
    nonce,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  location.assign(url);
}

/**
 * Take what the provider has sent back with the person.
 *
 * @returns {Promise<Api | null>} null if the page was opened in another way
 * @throws {ApiError}
 */
export async function comeBack() {
  const given = new URLSearchParams(location.search);
  const kept = sessionStorage.getItem(PENDING);
  sessionStorage.removeItem(PENDING);
  if (!given.has("state") && !given.has("code") && !given.has("error")) return null;
  const pending = kept === null ? null : JSON.parse(kept);
  // The code must not stay in the address or the history.
  history.replaceState(null, "", location.pathname + (pending?.hash ?? ""));
  const isOurs = pending !== null && given.get("state") === pending.state &&
    Date.now() - pending.at < PATIENCE && [null, pending.issuer].includes(given.get("iss"));
  if (!isOurs) throw new ApiError("This login was not begun in this window, or too long ago. Log in again.");
  const error = given.get("error");
  if (error !== null) {
    throw new ApiError(`The identity provider refused the login: ${given.get("error_description") ?? error}`);
  }
  const { sid, secret, person, expires_in: seconds } = await ask("POST", PATH, {
    code: given.get("code"), code_verifier: pending.verifier, nonce: pending.nonce,
  });
  return new Api(sid, secret, { person, seconds });
}

/**
 * End a session, also while the page is left.
 *
 * @param {Api} api
 */
export function endSession(api) {
  api.request("DELETE", PATH, { keepalive: true }).catch(() => {});
}

/**
 * @param {string} method
 * @param {string} path
 * @param {JsonObject} [body]
 * @returns {Promise<any>}
 */
function ask(method, path, body) {
  return new Api("", "").request(method, path, { body });
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(BYTES)));
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Access tokens: the application's token or token function, and the claims of a JWT. */

import { TokenDenied, connectionLost, messageOf } from "./errors.js";

/** Time before its expiry at which a token is renewed, or this part of its lifetime if less. */
const RENEW_BEFORE = 180_000;
const RENEW_PART = 0.1;

/** Minimum time until a renewal: if the clock is wrong, every token may seem to be expired. */
const RENEW_AT_LEAST_AFTER = 10_000;

/** Maximum delay of `setTimeout`; a longer timer would fire at once. */
const TIMER_LIMIT = 2 ** 31 - 1;

/**
 * A JWT, or a function that returns one; check `response.ok` before you return a body. If the
 * function throws, returns anything else, or takes longer than `tokenTimeout`, the client calls it
 * again after a pause. If it throws `TokenDenied`, the client stops.
 *
 * @typedef {string | (() => string | Promise<string>)} Token
 */

/** Three base64url parts; only the server checks their content. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** The application's token; a token function is called at each use. */
export class TokenSource {
  #token;

  /** @param {Token} token */
  constructor(token) {
    if (typeof token !== "function" && (typeof token !== "string" || token === "")) {
      throw new TypeError("the token must be a string, or a function that returns one");
    }
    this.#token = token;
  }

  /** True if `get` may return another token next time. */
  get isRenewable() {
    return typeof this.#token === "function";
  }

  /**
   * @returns {Promise<string>} rejected with `TokenDenied` if the token function threw it, and with
   *   an error that has `retry` in all other cases
   */
  async get() {
    if (typeof this.#token === "string") return this.#token.trim();
    await undefined; // The client's constructor returns first: the function may use the client.
    try {
      const given = await this.#token();
      const token = typeof given === "string" ? given.trim() : "";
      if (!JWT.test(token)) throw new TypeError(`the token function returned ${kindOf(given)}`);
      return token;
    } catch (error) {
      if (error instanceof TokenDenied) throw error;
      throw connectionLost(`there is no token: ${messageOf(error)}`, { cause: error });
    }
  }
}

/**
 * Describe a value that is not a token, without its content, which may be a secret.
 *
 * @param {any} given
 */
function kindOf(given) {
  if (given === null || given === undefined) return String(given);
  if (typeof given !== "string") {
    const name = Object.getPrototypeOf(given)?.constructor?.name;
    return `a value of type ${typeof given === "object" && name ? name : typeof given}`;
  }
  const text = given.trim();
  if (text === "") return "an empty string";
  if (text.startsWith("<")) return `an HTML page of ${given.length} characters, and no JWT`;
  if (/^[[{"]/.test(text)) return `JSON of ${given.length} characters, and no JWT`;
  return `a string of ${given.length} characters that is no JWT`;
}

/**
 * Read claims from the client's own token, unverified: only the server verifies it.
 *
 * @param {string} token
 * @returns {{ identity: string | null, serviceSid: string, issued: number, expires: number }}
 *   `serviceSid` is `default` if the token names no service; times since 1970, 0 and Infinity if
 *   the token has none
 */
export function claimsOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const { grants, iat, nbf, exp } = JSON.parse(new TextDecoder().decode(bytes));
    return {
      identity: grants?.identity ?? null,
      serviceSid: grants?.data_sync?.service_sid ?? "default",
      issued: Number(iat ?? nbf ?? 0) * 1_000,
      expires: Number(exp ?? Infinity) * 1_000,
    };
  } catch {
    return { identity: null, serviceSid: "default", issued: 0, expires: Infinity };
  }
}

/**
 * Compute when to renew a token.
 *
 * @param {number} issued since 1970
 * @param {number} expires since 1970
 * @returns {{ after: number, left: number }} time until the renewal; remaining lifetime then
 */
export function renewalOf(issued, expires) {
  const left = Math.min(RENEW_BEFORE, (expires - issued) * RENEW_PART);
  const wanted = Math.max(expires - left - Date.now(), RENEW_AT_LEAST_AFTER);
  return { after: Math.min(wanted, TIMER_LIMIT), left };
}

/** The access token. */

import { TokenDenied, connectionLost, messageOf } from "./errors.js";

/** How long before its end a token is renewed: this long, or this part of its life if less. */
const RENEW_BEFORE = 180_000;
const RENEW_PART = 0.1;

/** Where the clock is wrong, every token may seem to end at once. */
const RENEW_AT_LEAST_AFTER = 10_000;

/** A longer timer would go off at once. */
const TIMER_LIMIT = 2 ** 31 - 1;

/**
 * A JWT, or a function that gets one. What the function returns must be a JWT, so look at
 * `response.ok` before the body. When it fails, returns anything else, or takes longer than
 * `tokenTimeout`, it is called again after a pause; it throws `TokenDenied` to end that.
 *
 * @typedef {string | (() => string | Promise<string>)} Token
 */

/** Three base64url parts; whether they hold anything is for the server to say. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** The application's token, asked for at each use. */
export class TokenSource {
  #token;

  /** @param {Token} token */
  constructor(token) {
    if (typeof token !== "function" && (typeof token !== "string" || token === "")) {
      throw new TypeError("the token must be a string, or a function that returns one");
    }
    this.#token = token;
  }

  /** True if asking again may give another token. */
  get isRenewable() {
    return typeof this.#token === "function";
  }

  /**
   * @returns {Promise<string>} rejected with `TokenDenied` if the application says that there will be
   *   no token, and with an error that is worth another attempt for all else
   */
  async get() {
    if (typeof this.#token === "string") return this.#token.trim();
    await undefined; // The constructor of the client returns first: the function may use the client.
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
 * What came in the place of a token, without its content, which may be a secret.
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
 * What the client reads from its own token; only the server checks it.
 *
 * @param {string} token
 * @returns {{ identity: string | null, serviceSid: string, issued: number, expires: number }}
 *   `default` names the first service; times since 1970, 0 and Infinity if the token does not say
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
 * When a token is to be renewed.
 *
 * @param {number} issued since 1970
 * @param {number} expires since 1970
 * @returns {{ after: number, left: number }} the time from now on; what the token has left then
 */
export function renewalOf(issued, expires) {
  const left = Math.min(RENEW_BEFORE, (expires - issued) * RENEW_PART);
  const wanted = Math.max(expires - left - Date.now(), RENEW_AT_LEAST_AFTER);
  return { after: Math.min(wanted, TIMER_LIMIT), left };
}

/** The access token. */

/** How long before its end a token is renewed: this long, or this part of its life if less. */
const RENEW_BEFORE = 180_000;
const RENEW_PART = 0.1;

/** Where the clock is wrong, every token may seem to end at once. */
const RENEW_AT_LEAST_AFTER = 10_000;

/** A longer timer would go off at once. */
const TIMER_LIMIT = 2 ** 31 - 1;

/** @typedef {string | (() => string | Promise<string>)} Token a JWT, or a function that gets one */

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

  /** @returns {Promise<string>} rejected with whatever the application's function throws */
  async get() {
    const token = typeof this.#token === "function" ? await this.#token() : this.#token;
    if (typeof token !== "string" || token === "") {
      throw new TypeError("the token function returned no token");
    }
    return token;
  }
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

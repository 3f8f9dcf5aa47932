/** Transport over REST and server-sent events, for networks that block WebSockets. */

import { INTERRUPTED, SynclineError, clientClosed, connectionLost, statusOf } from "./errors.js";
import { sourceOf } from "./event-sources.js";
import { EventStreams } from "./event-streams.js";
import { Http } from "./http.js";
import { Code, PATCH_TYPES } from "./protocol.js";
import { Queue } from "./queue.js";
import { RestItems } from "./rest-items.js";
import { formOf, headersOf, modeOf, pathTo, targetOf } from "./rest-requests.js";
import { ignore, within } from "./timing.js";
import { claimsOf, renewalOf } from "./token.js";

/** @import { Call } from "./http.js" */
/** @import { Options } from "./options.js" */
/** @import { EventHandler, Exit, Limits, Receive, Request, Transport } from "./transport.js" */

/** Silence on a stream that is longer than the server's heartbeat interval. */
const STREAM_DOUBTFUL_AFTER = 20_000;

/** Attempts to fetch or create an object that other clients create and remove meanwhile. */
const OPEN_ATTEMPTS = 5;

/**
 * Plain HTTP requests and one event stream per object, instead of a WebSocket.
 *
 * Like a connection it ends: when the network fails for a request or a stream, or when the token
 * has expired. The client then dials again and sends again the requests that have no reply.
 *
 * @implements {Transport}
 */
export class RestTransport {
  /** @type {"rest"} */
  name = "rest";
  ordered = false;
  /** @type {Limits} */
  limits = { data: null, item: null, message: null };

  #url;
  #options;
  #onEvent;
  #http;
  #items;
  #streams;
  /** @type {string | null} */
  #identity = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #renewal;
  /**
   * Requests for one object run in order, as on a WebSocket; except `open` after a break.
   *
   * @type {Map<string, Queue>}
   */
  #turns = new Map();

  /**
   * @param {string} url
   * @param {string} token
   * @param {Options} options
   * @param {EventHandler} onEvent
   */
  constructor(url, token, options, onEvent) {
    this.#url = url;
    this.#options = options;
    this.#onEvent = onEvent;
    this.#http = new Http(url, options);
    this.#items = new RestItems(this.#http);
    this.#streams = new EventStreams(this.#http, options, onEvent);
    this.#http.onDeadConnection = () => this.#streams.reopen(options.probeAfter);
    this.#use(token);
    void this.ended.then(() => clearTimeout(this.#renewal));
  }

  get isOpen() {
    return this.#http.isOpen;
  }

  get ended() {
    return this.#http.ended;
  }

  /**
   * Check that the server answers and accepts the token, within `openTimeout`.
   *
   * @param {string} url
   * @param {string} token
   * @param {Options} options
   * @param {{ onEvent: EventHandler, signal: AbortSignal }} observer
   * @returns {Promise<RestTransport>} rejected if the server cannot be used
   */
  static async open(url, token, options, { onEvent, signal }) {
    const late = () => connectionLost(`no answer from ${url} in time`);
    const transport = new RestTransport(url, token, options, onEvent);
    try {
      await within(options.openTimeout, late, signal, (deadline) => transport.#check(deadline));
    } catch (error) {
      transport.close();
      throw error === INTERRUPTED ? await transport.ended : error;
    }
    return transport;
  }

  /**
   * @template T
   * @param {Request} request
   * @param {Receive<T>} receive
   * @param {Exit} exit
   * @returns {Promise<T>}
   */
  async request(request, receive, { signal }) {
    const { type, address } = targetOf(request);
    const turnKey = `${type} ${address}`;
    const takesTurn = address !== undefined && !isReopening(request);
    const turn = (takesTurn && this.#turns.get(turnKey)) || new Queue();
    if (takesTurn) this.#turns.set(turnKey, turn);
    try {
      return await turn.run(async () => {
        // Both may have happened while this request waited for its turn.
        signal.throwIfAborted();
        if (!this.isOpen) throw INTERRUPTED;
        return await this.#carryOut(request, receive, signal);
      });
    } catch (error) {
      // `receive` could not parse the reply: it is not the server's, but a portal's JSON, say.
      const isMeant = error instanceof SynclineError || signal.aborted;
      throw isMeant ? error : this.#http.lost(error);
    } finally {
      // If not idle, later requests for this object are in the same queue.
      if (takesTurn && turn.isIdle) this.#turns.delete(turnKey);
    }
  }

  /**
   * Replace the token. Streams that are open keep the old token and end when it expires.
   *
   * @param {string} token
   * @param {AbortSignal} signal
   */
  async authenticate(token, signal) {
    const observer = { onEvent: ignore, signal };
    const trial = await RestTransport.open(this.#url, token, this.#options, observer);
    trial.close();
    // This transport may have ended during the await.
    if (this.isOpen) this.#use(token);
  }

  /** @param {boolean} isNewNetwork true if existing TCP connections may be dead */
  probe(isNewNetwork) {
    void this.#http.probe();
    this.#streams.reopen(isNewNetwork ? 0 : STREAM_DOUBTFUL_AFTER);
  }

  close() {
    this.#http.finish(clientClosed());
  }

  /** @param {string} token */
  #use(token) {
    const { identity, serviceSid, issued, expires } = claimsOf(token);
    this.#identity = identity;
    this.#http.use(token, serviceSid);
    clearTimeout(this.#renewal);
    if (expires === Infinity) return;
    // Without a WebSocket the server sends no notice: make it here.
    const { after, left } = renewalOf(issued, expires);
    const notice = { event: "token_about_to_expire", expires_in: left / 1_000 };
    this.#renewal = setTimeout(() => this.#onEvent(notice), after);
  }

  /** @param {AbortSignal} signal */
  async #check(signal) {
    try {
      await this.#http.check(signal);
    } catch (error) {
      // Any refusal but 401 shows that the server answers and accepts the token.
      if (error === INTERRUPTED || !(error instanceof SynclineError) || !error.status) throw error;
    }
  }

  /**
   * @template T
   * @param {Request} request
   * @param {Receive<T>} receive
   * @param {AbortSignal} signal
   * @returns {Promise<T>}
   */
  async #carryOut(request, receive, signal) {
    const { type, address } = targetOf(request);
    if (request.do === "open") return this.#open(request, receive, signal);
    if (request.do === "unsubscribe") {
      this.#streams.unfollow(address);
      return receive({});
    }
    const ofItem = await this.#items.carryOut(request, signal);
    if (ofItem !== null) return receive(ofItem);
    switch (request.do) {
      case "get":
        return receive(await this.#object("GET", request, {}, signal));
      case "set":
      case "ttl":
      case "ttl_collection":
        return receive(await this.#object("POST", request, { body: formOf(request) }, signal));
      case "patch":
        return receive(await this.#patch(request, signal));
      case "publish": {
        const init = { body: formOf(request), headers: headersOf(request) };
        const path = `${pathTo(type, address)}/Messages`;
        return receive({ message: await this.#http.call("POST", path, init, signal) });
      }
      case "remove":
      case "remove_collection": {
        const headers = headersOf(request);
        await this.#http.call("DELETE", pathTo(type, address), { headers }, signal);
        return receive({});
      }
      default:
        throw new TypeError(`REST has no ${request.do}`);
    }
  }

  /**
   * @template T
   * @param {Request} request
   * @param {Receive<T>} receive
   * @param {AbortSignal} signal
   * @returns {Promise<T>}
   */
  async #open(request, receive, signal) {
    const { type, address } = targetOf(request);
    const mode = modeOf(request);
    for (let attempt = 1; ; attempt += 1) {
      if (address !== undefined && mode !== "create_new") {
        try {
          const source = sourceOf(type, address, request);
          return await this.#streams.follow(source, false, receive, signal);
        } catch (error) {
          if (statusOf(error) !== 404 || mode === "open_existing") throw error;
        }
      }
      try {
        const init = { body: formOf(request), headers: headersOf(request) };
        const created = await this.#http.call("POST", pathTo(type), init, signal);
        const source = sourceOf(type, created.sid, request);
        return await this.#streams.follow(source, true, receive, signal);
      } catch (error) {
        // Name taken: another client has created the object since our 404. Try to follow it.
        const isLast = mode === "create_new" || attempt === OPEN_ATTEMPTS;
        const isTaken = error instanceof SynclineError && error.code === Code.NAME_TAKEN;
        if (!isTaken || isLast) throw error;
      }
    }
  }

  /**
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  async #patch(request, signal) {
    const kind = Object.keys(PATCH_TYPES).find((each) => each in request) ?? "merge";
    const headers = { ...headersOf(request), "Content-Type": PATCH_TYPES[kind] };
    const query = "ttl" in request ? `?Ttl=${encodeURIComponent(request.ttl)}` : "";
    return this.#object("PATCH", request, { body: request[kind].text, headers, query }, signal);
  }

  /**
   * Call, and convert the resource in the reply to the form of a native reply.
   *
   * @param {string} method
   * @param {Request} request
   * @param {Call & { query?: string }} call
   * @param {AbortSignal} signal
   */
  async #object(method, request, { query = "", headers = headersOf(request), body }, signal) {
    const { type, address } = targetOf(request);
    const path = pathTo(type, address) + query;
    const resource = await this.#http.call(method, path, { headers, body }, signal);
    const updatedBy = method === "GET" ? null : this.#identity;
    return { [type]: { updated_by: updatedBy, ...resource } };
  }
}

/**
 * True for the `open` of the client itself, which subscribes again after a break (rule C11).
 *
 * It changes nothing, and takes no turn: the writes that were in flight are sent again at the same
 * moment, the server may answer each only after seconds, and the object would be stale so long.
 * What its reply has of them is announced in order (rule C13). The application's `open` has an `op`.
 *
 * @param {Request} request
 */
function isReopening(request) {
  return request.do === "open" && !("op" in request);
}

/** The transport for where WebSockets are blocked: REST and server-sent events. */

import { INTERRUPTED, SynclineError, clientClosed, connectionLost, statusOf } from "./errors.js";
import { Followers } from "./followers.js";
import { Http, pathTo } from "./http.js";
import { Code, PATCH_TYPES } from "./protocol.js";
import { Queue } from "./queue.js";
import { ignore, within } from "./timing.js";
import { claimsOf, renewalOf } from "./token.js";

/** @import { Call } from "./http.js" */
/** @import { Options } from "./options.js" */
/** @import { EventHandler, Exit, Receive, Request, Transport } from "./transport.js" */

/** Silence after which a stream has missed a heartbeat of the server. */
const STREAM_DOUBTFUL_AFTER = 20_000;

/** To find, or else create, a document that others create and remove at the same time. */
const OPEN_ATTEMPTS = 5;

/**
 * Plain HTTP requests, and one event stream a document, in the place of a WebSocket.
 *
 * It ends, as a connection does, with the first request or stream that the network fails, or when
 * the token has run out: the client then connects again, and sends again what was not answered.
 *
 * @implements {Transport}
 */
export class RestTransport {
  /** @type {"rest"} */
  name = "rest";
  ordered = false;
  /** @type {number | null} */
  dataLimit = null;

  #url;
  #options;
  #onEvent;
  #http;
  #followers;
  /** @type {string | null} */
  #identity = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #renewal;
  /** @type {Map<string, Queue>} requests that name one document go in turn, as on a socket */
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
    this.#followers = new Followers(this.#http, options, onEvent);
    this.#http.onDeadConnection = () => this.#followers.reopen(options.probeAfter);
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
   * Make sure that the server answers and takes the token, within `openTimeout`.
   *
   * @param {string} url
   * @param {string} token
   * @param {Options} options
   * @param {EventHandler} onEvent
   * @param {AbortSignal} signal
   * @returns {Promise<RestTransport>} rejected with why it cannot be used
   */
  static async open(url, token, options, onEvent, signal) {
    const late = () => connectionLost(`no answer from ${url} in time`);
    const transport = new RestTransport(url, token, options, onEvent);
    try {
      await within(options.openTimeout, late, signal, (patience) => transport.#check(patience));
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
    const address = request.document;
    const turn = this.#turns.get(address) ?? new Queue();
    if (address !== undefined) this.#turns.set(address, turn);
    try {
      return await turn.run(async () => {
        signal.throwIfAborted();
        if (!this.isOpen) throw INTERRUPTED;
        return await this.#carryOut(request, receive, signal);
      });
    } catch (error) {
      // What `receive` cannot make sense of is not the server's: a portal's JSON, for example.
      const isMeant = error instanceof SynclineError || signal.aborted;
      throw isMeant ? error : this.#http.lost(error);
    } finally {
      if (turn.isIdle) this.#turns.delete(address);
    }
  }

  /**
   * Streams that are open keep the old token, and end with it.
   *
   * @param {string} token
   * @param {AbortSignal} signal
   */
  async authenticate(token, signal) {
    const trial = await RestTransport.open(this.#url, token, this.#options, ignore, signal);
    trial.close();
    if (this.isOpen) this.#use(token);
  }

  /** @param {boolean} isNewNetwork true if connections from before may be dead */
  probe(isNewNetwork) {
    void this.#http.probe();
    this.#followers.reopen(isNewNetwork ? 0 : STREAM_DOUBTFUL_AFTER);
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
    // Without a socket no notice comes: make it.
    const { after, left } = renewalOf(issued, expires);
    const notice = { event: "token_about_to_expire", expires_in: left / 1_000 };
    this.#renewal = setTimeout(() => this.#onEvent(notice), after);
  }

  /** @param {AbortSignal} signal */
  async #check(signal) {
    try {
      await this.#http.check(signal);
    } catch (error) {
      // Another refusal than the token's: it answers, and that is enough.
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
    switch (request.do) {
      case "open":
        return this.#open(request, receive, signal);
      case "get":
        return receive(await this.#document("GET", request, {}, signal));
      case "set":
      case "ttl":
        return receive(await this.#document("POST", request, { body: formOf(request) }, signal));
      case "patch":
        return receive(await this.#patch(request, signal));
      case "remove": {
        const headers = headersOf(request);
        await this.#http.call("DELETE", pathTo(request.document), { headers }, signal);
        return receive({});
      }
      case "unsubscribe":
        this.#followers.unfollow(request.document);
        return receive({});
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
    const { document: address, mode } = openingOf(request);
    for (let attempt = 1; ; attempt += 1) {
      if (address !== undefined && mode !== "create_new") {
        try {
          return await this.#followers.follow(address, false, receive, signal);
        } catch (error) {
          if (statusOf(error) !== 404 || mode === "open_existing") throw error;
        }
      }
      try {
        const init = { body: formOf(request), headers: headersOf(request) };
        const created = await this.#http.call("POST", "", init, signal);
        return await this.#followers.follow(created.sid, true, receive, signal);
      } catch (error) {
        // Otherwise another client has created it meanwhile.
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
    return this.#document("PATCH", request, { body: request[kind].text, headers, query }, signal);
  }

  /**
   * Call, and put the resource of the reply in the form of a native reply.
   *
   * @param {string} method
   * @param {Request} request
   * @param {Call & { query?: string }} call
   * @param {AbortSignal} signal
   */
  async #document(method, request, { query = "", headers = headersOf(request), body }, signal) {
    const path = pathTo(request.document) + query;
    const document = await this.#http.call(method, path, { headers, body }, signal);
    const updatedBy = method === "GET" ? null : this.#identity;
    return { document: { updated_by: updatedBy, ...document } };
  }
}

/**
 * A SID is never created.
 *
 * @param {Request} request
 * @returns {{ document: string | undefined, mode: string }}
 */
function openingOf({ document, mode = "open_or_create" }) {
  return { document, mode: /^[A-Z]{2}[a-f0-9]{32}$/.test(document ?? "") ? "open_existing" : mode };
}

/**
 * The parameters of a create or an update, as the REST API names them.
 *
 * @param {Request} request
 */
function formOf(request) {
  const form = new URLSearchParams();
  if (request.do === "open" && "document" in request) form.set("UniqueName", request.document);
  if ("data" in request) form.set("Data", request.data.text);
  if ("ttl" in request) form.set("Ttl", String(request.ttl));
  return form;
}

/**
 * @param {Request} request
 * @returns {Record<string, string>}
 */
function headersOf(request) {
  return {
    ...("if_match" in request ? { "If-Match": request.if_match } : {}),
    ...("op" in request ? { "Idempotency-Key": request.op } : {}),
  };
}

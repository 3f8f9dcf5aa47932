/**
 * A scripted WebSocket server, for what a real server cannot be made to do.
 *
 * It answers `auth` and `ping`; each other request goes to `onRequest(socket, request)`.
 */

import { once } from "node:events";

import { WebSocketServer } from "ws";

const DATE = "2026-01-31T08:15:30.123Z";

/** In the form of a token, which is all that a scripted server asks. */
export const TOKEN = "a.b.c";

export const SID = `ET${"0".repeat(32)}`;

export class Peer {
  /** Taken by each new connection. */
  onRequest = () => {};
  /** Called with each connection once it is authenticated. */
  onConnection = () => {};
  /** All requests, of all connections, in the order in which they came. */
  requests = [];

  #server;

  constructor(server) {
    this.#server = server;
    server.on("connection", (socket) => {
      socket.on("message", (text) => this.#take(socket, JSON.parse(text)));
    });
  }

  /** @param {object} [options] of the WebSocket server */
  static async start(options) {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...options });
    await once(server, "listening");
    return new Peer(server);
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  async stop() {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
    await once(this.#server, "close");
  }

  #take(socket, request) {
    this.requests.push(request);
    if (request.do === "auth") {
      reply(socket, request, { identity: "alice", service_sid: "IS", data_limit: 16_384 });
      this.onConnection(socket);
    } else if (request.do === "ping") {
      reply(socket, request, {});
    } else {
      this.onRequest(socket, request);
    }
  }
}

export function send(socket, message) {
  socket.send(JSON.stringify(message));
}

export function reply(socket, { id }, ok) {
  send(socket, { id, ok });
}

/** A document as replies hold it. */
export function body(revision, data) {
  return {
    sid: SID,
    unique_name: null,
    revision: String(revision),
    ...(data === undefined ? {} : { data }),
    date_created: DATE,
    date_updated: DATE,
    date_expires: null,
    created_by: "alice",
    updated_by: "alice",
  };
}

export function updated(revision, data) {
  const { sid, unique_name, date_updated, date_expires, updated_by } = body(revision);
  const document = {
    sid,
    unique_name,
    revision: String(revision),
    data,
    date_updated,
    date_expires,
    updated_by,
  };
  return { event: "updated", document };
}

/** The header of a map as replies hold it. */
export function header(revision) {
  return { ...body(revision), sid: `MP${"0".repeat(32)}` };
}

/** An item of a map as replies hold it. */
export function itemBody(key, revision, data) {
  const { sid: _sid, unique_name: _name, ...rest } = body(revision, data);
  return { key, ...rest };
}

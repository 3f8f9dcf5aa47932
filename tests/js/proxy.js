/** A TCP proxy in front of a server, that can do to connections what networks do. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

const REFUSAL = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/** A whole HTTP response, after which the connection closes. */
export function httpResponse(status, body = "", headers = {}) {
  const lines = Object.entries({
    "Content-Type": "text/html",
    ...headers,
    "Content-Length": Buffer.byteLength(body),
    Connection: "close",
  }).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} Status`, ...lines, "", body].join("\r\n");
}

export class Proxy {
  /** Answers each WebSocket handshake with 403, as some company proxies do. */
  refusesUpgrades = false;
  /** Lets WebSocket handshakes pass, and cuts the connection at the first message. */
  cutsWebSockets = false;
  /** Takes WebSocket handshakes, and never answers them. */
  swallowsUpgrades = false;
  /** Milliseconds after which it cuts a connection that the server has answered on. */
  cutsAfter = null;
  /** What it answers itself, to all requests, handshakes included; null passes them on. */
  answer = null;
  /** How many connections it has taken. */
  accepted = 0;
  /** Milliseconds by which what the server sends comes later. */
  replyDelay = 0;
  /** Cuts each new connection at once. */
  isDown = false;
  /** Swallows what the client sends. */
  swallowsRequests = false;
  /** Swallows what the server sends. */
  swallowsReplies = false;
  /** Swallows what the server sends to requests that begin like this; null swallows nothing. */
  swallowsRepliesTo = null;

  #target;
  #server = createServer((client) => this.#accept(client));
  #sockets = new Set();
  #frozen = new WeakSet();
  #onSwallowed = () => {};

  constructor(target) {
    this.#target = new URL(target);
  }

  /** @param {string} target URL of a server */
  static async start(target) {
    const proxy = new Proxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Resolved when it has swallowed something that the server sent. */
  swallowed() {
    return new Promise((resolve) => {
      this.#onSwallowed = resolve;
    });
  }

  /** Break every connection; new ones are accepted. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** From now on nothing passes on the connections that there are, though they stay open. */
  freeze() {
    for (const socket of this.#sockets) this.#frozen.add(socket);
  }

  async stop() {
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }

  #accept(client) {
    this.#keep(client);
    this.accepted += 1;
    if (this.isDown) {
      client.destroy();
      return;
    }
    client.once("data", (head) => {
      const isUpgrade = /^upgrade: websocket/im.test(head.toString("latin1"));
      const answer = this.answer ?? (isUpgrade && this.refusesUpgrades ? REFUSAL : null);
      if (answer !== null) {
        client.end(answer);
        return;
      }
      if (isUpgrade && this.swallowsUpgrades) return;
      this.#join(client, head);
      if (isUpgrade && this.cutsWebSockets) client.once("data", () => client.destroy());
    });
  }

  #join(client, head) {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    this.#keep(server);
    client.on("close", () => server.destroy());
    server.on("close", () => client.destroy());
    server.write(head);
    const drops = (what) => what || this.#frozen.has(client);
    let asked = head.toString("latin1");
    client.on("data", (part) => {
      asked = part.toString("latin1");
      if (!drops(this.swallowsRequests)) server.write(part);
    });
    server.on("data", (part) => {
      const isSwallowed = this.swallowsReplies || this.swallowsRepliesTo?.test(asked);
      if (drops(isSwallowed)) this.#onSwallowed();
      else if (this.replyDelay > 0) setTimeout(() => client.write(part), this.replyDelay);
      else client.write(part);
    });
    if (this.cutsAfter !== null) {
      server.once("data", () => setTimeout(() => client.destroy(), this.cutsAfter));
    }
  }

  #keep(socket) {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

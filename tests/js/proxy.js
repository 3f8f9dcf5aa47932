/** A TCP proxy in front of a server, that can do to connections what networks do. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

const REFUSAL = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

export class Proxy {
  /** Answers each WebSocket handshake with 403, as some company proxies do. */
  refusesUpgrades = false;
  /** Lets WebSocket handshakes pass, and cuts the connection at the first message. */
  cutsWebSockets = false;
  /** Cuts each new connection at once. */
  isDown = false;
  /** Swallows what the client sends. */
  swallowsRequests = false;
  /** Swallows what the server sends. */
  swallowsReplies = false;

  #target;
  #server = createServer((client) => this.#accept(client));
  #sockets = new Set();
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

  async stop() {
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }

  #accept(client) {
    this.#keep(client);
    if (this.isDown) {
      client.destroy();
      return;
    }
    client.once("data", (head) => {
      const isUpgrade = /^upgrade: websocket/im.test(head.toString("latin1"));
      if (isUpgrade && this.refusesUpgrades) {
        client.end(REFUSAL);
        return;
      }
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
    client.on("data", (part) => this.swallowsRequests || server.write(part));
    server.on("data", (part) => {
      if (this.swallowsReplies) this.#onSwallowed();
      else client.write(part);
    });
  }
  #keep(socket) {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

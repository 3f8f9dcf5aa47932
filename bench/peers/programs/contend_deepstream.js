// Clients that follow one record and add 1 to one number in it, each to the version that it received
// last. They speak the protocol themselves: a change by the client library that met another is never
// answered. Arguments: port, clients, seconds.
import { once } from "node:events";

import WebSocket from "ws";

import { contend } from "./contention.js";

const CONNECTION = 2;
const CHALLENGE = 5;
const AUTHENTICATION = 3;
const REQUEST = 2;
const RECORD = 5;
const READ_RESPONSE = 4;
const WRITE_ACKNOWLEDGEMENT = 14;
const CREATE_AND_UPDATE = 16;
const UPDATE = 18;
const SUBSCRIBE_CREATE_AND_READ = 23;
const VERSION_EXISTS = 102;
const NAME = "counter";

const [port, count, seconds] = process.argv.slice(2).map(Number);

class Client {
  #socket = new WebSocket(`ws://127.0.0.1:${port}/deepstream-json`);
  #version = -1;
  #count = 0;
  #requests = 0;
  #answered = () => {};

  async connect() {
    await once(this.#socket, "open");
    this.#socket.on("message", (text) => this.#handle(JSON.parse(text)));
    await this.#ask({ topic: CONNECTION, action: CHALLENGE, url: "", protocolVersion: "0.1a" });
    await this.#ask({ topic: AUTHENTICATION, action: REQUEST, data: "{}" });
    return this;
  }

  async create() {
    await this.#write(CREATE_AND_UPDATE, -1, 0);
  }

  // Returns the number.
  async follow() {
    const follow = { topic: RECORD, action: SUBSCRIBE_CREATE_AND_READ, names: [NAME] };
    this.#take(await this.#ask(follow, ({ action }) => action === READ_RESPONSE));
    return this.#count;
  }

  // Tries to add 1 to what it knows; returns whether that was taken.
  async add() {
    const version = this.#version + 1;
    const count = this.#count + 1;
    const answer = await this.#write(UPDATE, version, count);
    if (answer.action === VERSION_EXISTS) this.#take(answer);
    if (answer.action !== WRITE_ACKNOWLEDGEMENT) return false;
    this.#take({ version, parsedData: { count } });
    return true;
  }

  #write(action, version, count) {
    this.#requests += 1;
    const correlationId = String(this.#requests);
    const data = JSON.stringify({ count });
    const place = { topic: RECORD, action, name: NAME, version };
    const write = { ...place, data, isWriteAck: true, correlationId };
    return this.#ask(write, (answer) => answer.correlationId === correlationId);
  }

  #handle(message) {
    if (message.topic === RECORD && message.action === UPDATE) this.#take(message);
    this.#answered(message);
  }

  // Unless it knows a newer one.
  #take({ version, parsedData }) {
    if (version <= this.#version) return;
    this.#version = version;
    this.#count = parsedData.count ?? 0;
  }

  // Resolves with the first answer that fits.
  #ask(message, fits = () => true) {
    return new Promise((resolve) => {
      this.#answered = (answer) => {
        if (answer.topic === message.topic && fits(answer)) resolve(answer);
      };
      this.#socket.send(JSON.stringify(message));
    });
  }
}

const clients = await Promise.all(Array.from({ length: count }, () => new Client().connect()));
await clients[0].create();
await Promise.all(clients.map((client) => client.follow()));

async function value() {
  const client = await new Client().connect();
  return client.follow();
}

await contend(clients, seconds, (client) => client.add(), value);
process.exit();

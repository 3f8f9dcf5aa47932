// Clients that add 1 to one number of one record, each to the version that it heard of last. They
// speak the protocol themselves: a change by the client library that met another is never answered.
// Arguments: port, clients, seconds.
import { once } from "node:events";

import WebSocket from "ws";

import { contend } from "./contention.js";

const CONNECTION = 2;
const CHALLENGE = 5;
const AUTHENTICATION = 3;
const REQUEST = 2;
const RECORD = 5;
const READ = 3;
const READ_RESPONSE = 4;
const WRITE_ACKNOWLEDGEMENT = 14;
const CREATE_AND_UPDATE = 16;
const UPDATE = 18;
const VERSION_EXISTS = 102;
const NAME = "counter";

const [port, count, seconds] = process.argv.slice(2).map(Number);

class Client {
  #socket = new WebSocket(`ws://127.0.0.1:${port}/deepstream-json`);
  #version = 0;
  #count = 0;
  #requests = 0;
  #answered = () => {};

  async connect() {
    await once(this.#socket, "open");
    this.#socket.on("message", (text) => this.#answered(JSON.parse(text)));
    await this.#ask({ topic: CONNECTION, action: CHALLENGE, url: "", protocolVersion: "0.1a" });
    await this.#ask({ topic: AUTHENTICATION, action: REQUEST, data: "{}" });
    return this;
  }

  async create() {
    await this.#write(CREATE_AND_UPDATE, -1, 0);
  }

  async read() {
    const read = { topic: RECORD, action: READ, name: NAME };
    this.#take(await this.#ask(read, ({ action }) => action === READ_RESPONSE));
    return this.#count;
  }

  // Tries to add 1 to what it knows; returns whether that was taken.
  async add() {
    const answer = await this.#write(UPDATE, this.#version + 1, this.#count + 1);
    if (answer.action === VERSION_EXISTS) this.#take(answer);
    if (answer.action !== WRITE_ACKNOWLEDGEMENT) return false;
    this.#take({ version: this.#version + 1, parsedData: { count: this.#count + 1 } });
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

  #take({ version, parsedData }) {
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
await Promise.all(clients.map((client) => client.read()));
await contend(clients, seconds, (client) => client.add(), () => clients[0].read());
process.exit();

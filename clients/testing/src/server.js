/** A real server for tests: a process of its own, with an embedded Redis, on a free port. */

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { findCommand, split } from "./command.js";
import { mintToken } from "./token.js";

const START_TIMEOUT = 60_000;
const STOP_TIMEOUT = 20_000;

/** Characters of the log that are kept: its end. */
const LOG_LENGTH = 1_000_000;

const OPTIONS = [
  "--port=0",
  "--test-clock",
  // The server and its tests have the same clock.
  "--token-leeway=0",
  // When this process ends, the server sees the end of the pipe.
  "--until-stdin-ends",
  // The data end with the server.
  "--appendfsync=no",
  "--drain-timeout=2",
];

const READY = /^Syncline \S+ is ready at (http:\/\/\S+)$/m;

/** @param {import("./index.js").StartOptions} [options] */
export async function startServer({ command, args = [], timeout = START_TIMEOUT } = {}) {
  const [program, ...first] = typeof command === "string" ? split(command) : (command ?? findCommand());
  if (!program) throw new TypeError("command names no program");
  const directory = await mkdtemp(join(tmpdir(), "syncline-test-"));
  const server = new Server(directory, [program, ...first, "serve", ...OPTIONS, ...args]);
  try {
    await server._ready(timeout);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

class Server {
  #child;
  #directory;
  #ended;
  #stopping;

  constructor(directory, [program, ...args]) {
    this.#directory = directory;
    this.accountSid = `AC${randomBytes(16).toString("hex")}`;
    this.authToken = randomBytes(16).toString("hex");
    this.apiKeySid = `SK${randomBytes(16).toString("hex")}`;
    this.apiKeySecret = randomBytes(32).toString("hex");
    this.url = "";
    this.offset = 0;
    this.log = "";
    this.#child = spawn(program, [...args, `--data-dir=${join(directory, "data")}`], {
      env: this.#environ(),
      stdio: ["pipe", "pipe", "pipe"],
      // Ctrl-C is for the test run, which stops the server at its end.
      detached: true,
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once("exit", (status, signal) => resolve(`ended with ${signal ?? status}`));
      this.#child.once("error", (error) => resolve(`did not start: ${error.message}`));
    });
    this.#child.stderr.on("data", (part) => (this.log = (this.log + part).slice(-LOG_LENGTH)));
    this.#child.stdin.on("error", () => {}); // the server has ended
  }

  /** @internal */
  async _ready(timeout) {
    let printed = "";
    let timer;
    const ready = new Promise((resolve) => {
      this.#child.stdout.on("data", (part) => {
        printed += part;
        const found = READY.exec(printed);
        if (found) resolve(found);
      });
    });
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, timeout, `was not ready within ${timeout} ms`);
    });
    const outcome = await Promise.race([ready, this.#ended, late]);
    clearTimeout(timer);
    if (typeof outcome === "string") throw new Error(`the Syncline server ${outcome}\n${this.log}`);
    this.url = outcome[1];
    // A test run that forgets `stop` can end, and the server with it.
    for (const each of [this.#child, this.#child.stdin, this.#child.stdout, this.#child.stderr]) {
      each.unref();
    }
  }

  token(identity, { ttl = 3_600, service = "default" } = {}) {
    return mintToken(this, { identity, service, ttl: this.offset + ttl });
  }

  async service(settings = {}) {
    const { sid } = await this.request("POST", "/Services", { FriendlyName: "test", ...settings });
    return new Service(this, sid);
  }

  async request(method, path, form) {
    const response = await fetch(`${this.url}/v1${path}`, {
      method,
      headers: { Authorization: `Basic ${btoa(`${this.accountSid}:${this.authToken}`)}` },
      body: form && new URLSearchParams(Object.entries(form).map(([k, v]) => [k, String(v)])),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  async advance(seconds) {
    const moved = await this.request("POST", "/TestClock", { Seconds: seconds });
    this.offset = moved.offset_seconds;
    return new Date(moved.now);
  }

  stop() {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    return this.stop();
  }

  async #stop() {
    const child = this.#child;
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      child.ref();
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT);
      await ended;
      clearTimeout(timer);
    }
    // Its Redis may still be writing there.
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 10 });
  }

  /** Settings of the developer's own server must not reach this one. */
  #environ() {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("SYNCLINE_"));
    return {
      ...Object.fromEntries(own),
      SYNCLINE_ACCOUNT_SID: this.accountSid,
      SYNCLINE_AUTH_TOKEN: this.authToken,
      SYNCLINE_API_KEY_SID: this.apiKeySid,
      SYNCLINE_API_KEY_SECRET: this.apiKeySecret,
    };
  }
}

class Service {
  #server;

  constructor(server, sid) {
    this.#server = server;
    this.sid = sid;
  }

  token(identity, { ttl } = {}) {
    return this.#server.token(identity, { ttl, service: this.sid });
  }

  request(method, path, form) {
    return this.#server.request(method, `/Services/${this.sid}${path}`, form);
  }

  async remove() {
    await this.request("DELETE", "");
  }
}

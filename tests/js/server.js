/** Real servers for tests: `syncline serve` as a child process, shared or of one file. */

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const COMMAND = fileURLToPath(new URL("../../.venv/bin/syncline", import.meta.url));

/** Variable with the URL and data directory of the server that all test files share. */
export const SHARED = "SYNCLINE_TESTS_SERVER";

/** A server from `startServer` until `stop`. */
export class Server {
  #process;
  #options;
  #credentials;

  constructor({ process, url }, dataDir, options, credentials) {
    this.#process = process;
    this.#options = options;
    this.#credentials = credentials;
    /** Without a slash at its end. */
    this.url = url;
    this.dataDir = dataDir;
    /** SID or unique name of the service of `token` and `rest`. */
    this.service = "default";
  }

  /**
   * An access token as the vendor's helpers mint it.
   *
   * @param {string} identity
   * @param {number} [ttl] in seconds
   * @param {string} [service] SID or unique name
   * @param {[string, string]} [signer] SID and secret of an API key; without it, the server's own
   */
  token(identity, ttl = 3_600, service = this.service, signer = undefined) {
    const { account_sid, api_keys } = this.#credentials;
    const [key, secret] = signer ?? Object.entries(api_keys)[0];
    const now = Math.floor(Date.now() / 1_000);
    const parts = [
      { cty: "twilio-fpa;v=1", typ: "JWT", alg: "HS256" },
      {
        jti: `${key}-${now}`,
        iss: key,
        sub: account_sid,
        nbf: now,
        exp: now + ttl,
        grants: { identity, data_sync: { service_sid: service } },
      },
    ].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
    const signature = createHmac("sha256", secret).update(parts.join(".")).digest("base64url");
    return [...parts, signature].join(".");
  }

  /**
   * Ask the REST API, as `system`.
   *
   * @param {string} method
   * @param {string} path below the documents of the service, as `/user_prefs`
   * @param {Record<string, string>} [form]
   * @returns the parsed body; null if there is none
   */
  rest(method, path, form) {
    return this.account(method, `/v1/Services/${this.service}/Documents${path}`, form);
  }

  /** As `rest`, of any path; `json` is sent in place of a form. */
  async account(method, path, form, json) {
    const { account_sid, auth_token } = this.#credentials;
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        Authorization: `Basic ${btoa(`${account_sid}:${auth_token}`)}`,
        ...(json && { "Content-Type": "application/json" }),
      },
      body: json ? JSON.stringify(json) : form && new URLSearchParams(form),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  /** End it gracefully; `start` it again on its port, with its documents. */
  async end(signal = "SIGTERM") {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill(signal);
      await once(this.#process, "exit");
    }
  }

  async start() {
    const { process } = await launch(this.dataDir, new URL(this.url).port, this.#options);
    this.#process = process;
  }

  /** End it; nobody reads its data after this. Do nothing to the shared server. */
  async stop() {
    if (this.#process === null) return;
    await this.end("SIGKILL");
    // Its Redis may still be writing there.
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 10 });
  }
}

/**
 * A new service on the server that all test files share; `run.js` starts it. A file that runs alone
 * starts its own server. For tests that neither end nor configure their server.
 */
export async function sharedServer() {
  if (process.env[SHARED] === undefined) return startServer();
  const [url, dataDir] = JSON.parse(process.env[SHARED]);
  const server = new Server({ process: null, url }, dataDir, [], await readCredentials(dataDir));
  server.service = (await server.account("POST", "/v1/Services", {})).sid;
  return server;
}

/** @param {...string} options of `syncline serve` */
export async function startServer(...options) {
  const dataDir = await mkdtemp(join(tmpdir(), "syncline-js-"));
  try {
    const launched = await launch(dataDir, 0, options);
    return new Server(launched, dataDir, options, await readCredentials(dataDir));
  } catch (error) {
    await rm(dataDir, { recursive: true });
    throw error;
  }
}

async function readCredentials(dataDir) {
  return JSON.parse(await readFile(join(dataDir, "credentials.json"), "utf8"));
}

/** @returns the process and its URL, once it accepts connections */
async function launch(dataDir, port, options) {
  const child = spawn(COMMAND, ["serve", `--port=${port}`, "--data-dir", dataDir, ...options], {
    env: withoutSettings(process.env),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log = [];
  child.stderr.on("data", (part) => log.push(part));
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /is ready at (\S+)/.exec(line) ?? [];
    if (url === undefined) continue;
    child.stdout.resume();
    return { process: child, url: url.replace(/\/$/, "") };
  }
  throw new Error(`the server did not start:\n${Buffer.concat(log)}`);
}

function withoutSettings(environ) {
  return Object.fromEntries(
    Object.entries(environ).filter(([name]) => !name.startsWith("SYNCLINE_")),
  );
}

/** A real server for the tests of one file: `syncline serve` as a child process. */

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const COMMAND = fileURLToPath(new URL("../../.venv/bin/syncline", import.meta.url));

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
  }

  /**
   * An access token as the vendor's helpers mint it.
   *
   * @param {string} identity
   * @param {number} [ttl] in seconds
   * @param {string} [service] SID or unique name
   * @param {[string, string]} [signer] SID and secret of an API key; without it, the server's own
   */
  token(identity, ttl = 3_600, service = "default", signer = undefined) {
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
   * @param {string} path below the documents of the default service, as `/user_prefs`
   * @param {Record<string, string>} [form]
   * @returns the parsed body; null if there is none
   */
  rest(method, path, form) {
    return this.account(method, `/v1/Services/default/Documents${path}`, form);
  }

  /** As `rest`, of any path. */
  async account(method, path, form) {
    const { account_sid, auth_token } = this.#credentials;
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { Authorization: `Basic ${btoa(`${account_sid}:${auth_token}`)}` },
      body: form && new URLSearchParams(form),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  /** Let it end in order; `start` it again on its port, with its documents. */
  async end() {
    if (this.#process.exitCode === null) {
      this.#process.kill("SIGTERM");
      await once(this.#process, "exit");
    }
  }

  async start() {
    const { process } = await launch(this.dataDir, new URL(this.url).port, this.#options);
    this.#process = process;
  }

  async stop() {
    await this.end();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

/** @param {...string} options of `syncline serve` */
export async function startServer(...options) {
  const dataDir = await mkdtemp(join(tmpdir(), "syncline-js-"));
  try {
    const launched = await launch(dataDir, 0, options);
    const credentials = JSON.parse(await readFile(join(dataDir, "credentials.json"), "utf8"));
    return new Server(launched, dataDir, options, credentials);
  } catch (error) {
    await rm(dataDir, { recursive: true });
    throw error;
  }
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

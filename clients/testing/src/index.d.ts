/**
 * Test an application against a real Syncline server.
 *
 * @module syncline-testing
 */

/** Options of `startServer`; all are optional. */
export interface StartOptions {
  /**
   * The program and its first arguments, to which `serve` is added. Without it: the variable
   * SYNCLINE_COMMAND, `syncline` on PATH, or the package `syncline_server` of `python3` or `python`.
   */
  command?: string | string[];
  /** More options of `syncline serve`, such as `["--item-limit", "100"]`. */
  args?: string[];
  /** Milliseconds in which the server must be ready; 60,000 by default. */
  timeout?: number;
}

/** Options of an access token. */
export interface TokenOptions {
  /** Seconds of the server's time until it expires, also after `advance`; 3,600 by default. */
  ttl?: number;
}

/** A service of its own: nobody outside it sees its objects. */
export interface TestService {
  /** `IS` and 32 hexadecimal digits. */
  readonly sid: string;
  /** An access token of this service, signed here. */
  token(identity: string, options?: TokenOptions): string;
  /** The reply of the REST API to the account; `path` is below the service, such as `/Documents`. */
  request(method: string, path: string, form?: Record<string, string | number | boolean>): Promise<any>;
  /** Remove the service with all its objects. */
  remove(): Promise<void>;
}

/** A running server, with an embedded Redis and a temporary directory of its own. */
export interface TestServer {
  /** Base URL, without a slash at its end. */
  readonly url: string;
  /** User name of the account's Basic login. */
  readonly accountSid: string;
  /** Password of that login; it also signs webhooks. */
  readonly authToken: string;
  /** SID of the API key that signs access tokens. */
  readonly apiKeySid: string;
  /** Secret of that key. */
  readonly apiKeySecret: string;
  /** Seconds by which the server's time is ahead of this machine's. */
  readonly offset: number;
  /** What the server has logged so far. */
  readonly log: string;
  /** An access token of the default service, or of `service`. */
  token(identity: string, options?: TokenOptions & { service?: string }): string;
  /** A new, empty service; `settings` as the REST API names them, such as `{ AclEnabled: true }`. */
  service(settings?: Record<string, string | number | boolean>): Promise<TestService>;
  /** The reply of the REST API to the account; `path` is below `/v1`. Rejects for an error. */
  request(method: string, path: string, form?: Record<string, string | number | boolean>): Promise<any>;
  /**
   * Move the server's time forward. Once this resolves, the objects and items whose time has passed
   * are removed and their events are on the way; expired tokens are refused.
   *
   * @returns the new time of the server
   */
  advance(seconds: number): Promise<Date>;
  /** Stop the server and remove its data; safe to repeat. */
  stop(): Promise<void>;
  /** As `stop`: `await using server = await startServer()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Start a server and wait until it is ready.
 *
 * It ends with `stop`, or when this process ends in any way.
 *
 * @throws {Error} there is no server on this machine, or it did not start; the text has its log
 */
export function startServer(options?: StartOptions): Promise<TestServer>;

/**
 * The program and its first arguments that `startServer` starts without the option `command`.
 *
 * @throws {Error} there is no server on this machine; the text says how to install it
 */
export function findCommand(): string[];

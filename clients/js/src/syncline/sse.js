/** Reader of server-sent events. */

import { SynclineError, connectionLost, halfOpen, messageOf, tokenExpired } from "./errors.js";
import { Code, MESSAGE_LIMIT } from "./protocol.js";
import { ignore, within } from "./timing.js";

/** @import { JsonObject } from "./protocol.js" */

/** Silence after which a stream counts as broken: longer than two heartbeats. */
const STREAM_SILENCE_LIMIT = 40_000;

/** Incremental parser of a `text/event-stream`, by the rules of the HTML standard. */
class EventStreamParser {
  #rest = "";
  #name = "";
  #data = "";
  /** @type {string | null} */
  #id = null;

  /**
   * @param {string} chunk
   * @returns {Generator<{ name: string, data: string, id: string | null }>}
   * @throws {TypeError} an event is too long
   */
  *push(chunk) {
    const text = this.#rest + chunk;
    let start = 0;
    // A final carriage return may be the first half of CRLF: leave it for the next chunk.
    for (const end of text.matchAll(/\r\n|\n|\r(?!$)/g)) {
      yield* this.#line(text.slice(start, end.index));
      start = end.index + end[0].length;
    }
    this.#rest = text.slice(start);
    if (this.#rest.length + this.#data.length > MESSAGE_LIMIT) {
      throw new TypeError("an event is too long");
    }
  }

  /** @param {string} line */
  *#line(line) {
    if (line === "") {
      const data = this.#data.slice(0, -1);
      if (this.#data !== "") yield { name: this.#name, data, id: this.#id };
      this.#name = "";
      this.#data = "";
      this.#id = null;
      return;
    }
    const [, field, value] = /^([^:]*)(?:: ?)?(.*)$/s.exec(line) ?? ["", "", ""];
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data += `${value}\n`;
    else if (field === "id") this.#id = value;
  }
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {AbortSignal} signal
 * @param {() => void} [onPart] called whenever data comes, even a comment
 * @returns {AsyncGenerator<{ name: string, data: JsonObject, id: string | null }>} ends when the
 *   network ends the stream; throws `HalfOpen` if the stream is silent, and another `SynclineError` for the server's
 *   `closing` event or an unreadable event
 */
export async function* readEvents(body, signal, onPart = ignore) {
  const late = () => halfOpen("an event stream is silent");
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventStreamParser();
  try {
    for (;;) {
      const part = await within(STREAM_SILENCE_LIMIT, late, signal, () => reader.read());
      if (part.done) return;
      onPart();
      yield* eventsIn(parser.push(decoder.decode(part.value, { stream: true })));
    }
  } finally {
    reader.cancel().catch(ignore);
  }
}

/**
 * @param {Iterator<{ name: string, data: string, id: string | null }>} parsed
 * @returns {Generator<{ name: string, data: JsonObject, id: string | null }>}
 */
function* eventsIn(parsed) {
  for (;;) {
    const event = readNext(parsed);
    if (event === null) return;
    yield event;
  }
}

/** @param {Iterator<{ name: string, data: string, id: string | null }>} parsed */
function readNext(parsed) {
  try {
    const { done, value } = parsed.next();
    if (done) return null;
    return { ...value, data: checkClosing(value.name, JSON.parse(value.data)) };
  } catch (error) {
    if (error instanceof SynclineError) throw error;
    throw connectionLost(`an event stream cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * @param {string} name
 * @param {JsonObject} data
 * @throws {SynclineError} the event is `closing`: the server ends the stream
 */
function checkClosing(name, data) {
  if (name !== "closing") return data;
  if (data.code === Code.TOKEN_EXPIRED) throw tokenExpired(data.message);
  throw connectionLost(data.message, { retry: Boolean(data.retry) });
}

/** A stream of server-sent events. */

import { connectionLost, tokenExpired } from "./errors.js";
import { Code, MESSAGE_LIMIT } from "./protocol.js";
import { ignore, within } from "./timing.js";

/** @import { JsonObject } from "./protocol.js" */

/** Silence after which a stream counts as broken: more than two heartbeats. */
const STREAM_SILENCE_LIMIT = 40_000;

/** A `text/event-stream`, in pieces as they come, to events (the HTML standard's rules). */
class EventStreamParser {
  #rest = "";
  #name = "";
  #data = "";

  /**
   * @param {string} chunk
   * @returns {Generator<{ name: string, data: string }>}
   * @throws {TypeError} an event is too long
   */
  *push(chunk) {
    const text = this.#rest + chunk;
    let start = 0;
    // A carriage return at the very end may be half of a line's end.
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
      if (this.#data !== "") yield { name: this.#name, data: this.#data.slice(0, -1) };
      this.#name = "";
      this.#data = "";
      return;
    }
    const [, field, value] = /^([^:]*)(?:: ?)?(.*)$/s.exec(line) ?? ["", "", ""];
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data += `${value}\n`;
  }
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<{ name: string, data: JsonObject }>}
 */
export async function* readEvents(body, signal) {
  const late = () => connectionLost("an event stream is silent");
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventStreamParser();
  try {
    for (;;) {
      const part = await within(STREAM_SILENCE_LIMIT, late, signal, () => reader.read());
      if (part.done) return;
      for (const { name, data } of parser.push(decoder.decode(part.value, { stream: true }))) {
        yield { name, data: checkClosing(name, JSON.parse(data)) };
      }
    }
  } finally {
    reader.cancel().catch(ignore);
  }
}

/**
 * @param {string} name
 * @param {JsonObject} data
 * @throws {SynclineError} it is the stream's announcement of its end
 */
function checkClosing(name, data) {
  if (name !== "closing") return data;
  if (data.code === Code.TOKEN_EXPIRED) throw tokenExpired(data.message);
  throw connectionLost(data.message, { retry: Boolean(data.retry) });
}

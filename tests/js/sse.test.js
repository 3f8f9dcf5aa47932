/** The text of an event stream, in whatever pieces it comes. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { body, TOKEN } from "./peer.js";
import { connect, next, when } from "./support.js";

const encoder = new TextEncoder();

/** A client whose one document has this stream, in these pieces. */
async function openStream(t, pieces) {
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  const fetch = async (url) => {
    if (!url.endsWith("/Events")) return new Response("{}");
    return new Response(readable, { headers: { "Content-Type": "text/event-stream" } });
  };
  const client = connect(t, { url: "http://127.0.0.1:1", token: () => TOKEN }, {
    transport: "rest",
    fetch,
  });
  const opened = client.document("name");
  void (async () => {
    for (const piece of pieces) {
      await writer.write(typeof piece === "string" ? encoder.encode(piece) : piece);
    }
  })().catch(() => {});
  return { client, document: await opened, writer };
}

const STATE = JSON.stringify(body(1, { text: "é💡" }));

for (const [what, text] of [
  ["line feeds", `: hello\nid: 1\nevent: state\ndata: ${STATE}\n\n`],
  ["carriage returns", `: hello\rid: 1\revent: state\rdata: ${STATE}\r\r:\r`],
  ["both", `\r\n: hello\r\nid: 1\r\nevent: state\r\ndata: ${STATE}\r\n\r\n`],
  ["no blanks after the colons", `id:1\nevent:state\ndata:${STATE}\n\n`],
  ["data in several lines", `event: state\n${`data: ${STATE}`.replaceAll(",", ",\ndata: ")}\n\n`],
  ["fields that are not known", `retry: 5\nmood\nevent: state\ndata: ${STATE}\n\n`],
  ["a byte order mark", `\uFEFFevent: state\ndata: ${STATE}\n\n`],
]) {
  test(`a stream with ${what} is read, whole or byte by byte`, async (t) => {
    const bytes = encoder.encode(text);
    for (const pieces of [[bytes], Array.from(bytes, (byte) => Uint8Array.of(byte))]) {
      const { document } = await openStream(t, pieces);
      assert.deepEqual(document.data, { text: "é💡" });
    }
  });
}

test("an event without data is none", async (t) => {
  const { document, writer } = await openStream(t, [`event: state\ndata: ${STATE}\n\n`]);
  const changed = JSON.stringify(body(2, { n: 2 }));
  await writer.write(encoder.encode(`event: removed\n\nevent: updated\ndata: ${changed}\n\n`));
  await when(document, ({ data }) => data.n === 2);
  assert.equal(document.removed, false);
});

test("an event that is too long breaks the connection", async (t) => {
  const { client, writer } = await openStream(t, [`event: state\ndata: ${STATE}\n\n`]);
  const error = next(client, "connectionError");
  const line = encoder.encode(`data: ${"x".repeat(2 ** 20)}\n`);
  const writing = (async () => {
    for (;;) await writer.write(line);
  })();
  assert.match((await error).message, /an event is too long/);
  await assert.rejects(writing);
});

for (const [what, data, terminal, message] of [
  ["a shutdown", { code: 20503, message: "bye", retry: true }, false, "bye"],
  ["the token's end", { code: 20104, message: "expired", retry: false }, false, "expired"],
]) {
  test(`a stream that is closed by ${what} makes the client connect again`, async (t) => {
    const { client, writer } = await openStream(t, [`event: state\ndata: ${STATE}\n\n`]);
    const error = next(client, "connectionError");
    await writer.write(encoder.encode(`event: closing\ndata: ${JSON.stringify(data)}\n\n`));
    assert.equal((await error).terminal, terminal);
    assert.equal((await error).message, message);
  });
}

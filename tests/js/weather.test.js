/** What gateways, portals and proxies answer in the server's place: it passes, and ends nothing. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import { CODES_BY_STATUS } from "../../clients/js/src/syncline/protocol.js";
import { httpResponse, Proxy } from "./proxy.js";
import { sharedServer } from "./server.js";
import { connect, freshName, next, record, rejection, when } from "./support.js";

const JSON_TYPE = { "Content-Type": "application/json" };
const MORE_INFO = "https://www.twilio.com/docs/errors";

const WEATHER = {
  "a 403 page": httpResponse(403, "<html>Forbidden</html>"),
  "a 404 without a body": httpResponse(404),
  "a 401 with a login page": httpResponse(401, "<html>Sign in</html>"),
  "a 429 of a gateway": httpResponse(429, '{"message":"slow down"}', JSON_TYPE),
  "a 500": httpResponse(500, "oops"),
  "a 521": httpResponse(521, "<html>Web server is down</html>"),
  "a redirect": httpResponse(302, "", { Location: "https://login.example.com/" }),
  "a portal's page": httpResponse(200, "<!doctype html><p>Welcome to the hotel</p>"),
  "an empty 200": httpResponse(200),
  "JSON of somebody else": httpResponse(200, '{"ok":true}', JSON_TYPE),
  "an error of another API": httpResponse(404, '{"code":404,"message":"no","status":404}', JSON_TYPE),
  "a code of the server with another status": httpResponse(
    403,
    '{"code":20404,"message":"no","status":404}',
    JSON_TYPE,
  ),
  "a code that the server does not have": httpResponse(
    403,
    '{"code":10001,"message":"no","status":403}',
    JSON_TYPE,
  ),
  "no HTTP": "220 mail.example.com ESMTP\r\n",
};

let server;
before(async () => {
  server = await sharedServer();
});
after(() => server?.stop());

async function connectThroughProxy(t, options) {
  const proxy = await Proxy.start(server.url);
  t.after(() => proxy.stop());
  return { proxy, client: connect(t, server, { url: proxy.url, backoffLimit: 50, ...options }) };
}

for (const transport of ["websocket", "rest", "auto"]) {
  describe(transport, () => {
    for (const [what, answer] of Object.entries(WEATHER)) {
      test(`${what} is waited for, and what was asked is done then`, async (t) => {
        const { proxy, client } = await connectThroughProxy(t, { transport });
        const document = await client.document({ id: freshName(t), data: { n: 0 } });
        const errors = [];
        client.on("connectionError", (error) => errors.push(error));
        proxy.answer = answer;
        const broken = next(client, "connectionError");
        proxy.cut();
        const asked = Promise.all([document.increment("/n"), client.document(document.sid)]);
        await broken;
        await next(client, "connectionError");
        proxy.answer = null;
        const [incremented] = await asked;
        assert.deepEqual(incremented, { n: 1 });
        assert.ok(errors.every(({ terminal }) => terminal === false), JSON.stringify(errors));
      });
    }
  });
}

test("a removal is not believed of an empty 200", async (t) => {
  const { proxy, client } = await connectThroughProxy(t, { transport: "rest" });
  const document = await client.document();
  proxy.cut();
  proxy.answer = WEATHER["an empty 200"];
  const removing = document.removeDocument();
  await next(client, "connectionError");
  assert.equal(document.removed, false);
  proxy.answer = null;
  await removing;
  await assert.rejects(server.rest("GET", `/${document.sid}`), /404/);
});

for (const transport of ["websocket", "rest", "auto"]) {
  test(`${transport}: weather alone ends in time, and says what was seen last`, async (t) => {
    const { proxy, client } = await connectThroughProxy(t, { transport, requestTimeout: 400 });
    proxy.answer = httpResponse(521, "<html>down</html>");
    await next(client, "connectionError");
    const late = await rejection(client.document());
    assert.deepEqual([late.status, late.retry], [0, true]);
    assert.match(late.message, /no reply to open within 400 ms; the last error: /);
    if (transport === "rest") assert.match(late.message, /HTTP 521/);
    assert.equal(client.connectionState, "connecting");
    proxy.answer = null;
    await client.document();
  });
}

for (const [what, status, body] of [
  ["with a code that is documented", 403, { code: 54056, message: "own", status: 403 }],
  [
    "of a newer server",
    422,
    { code: 29999, message: "own", more_info: `${MORE_INFO}/29999`, status: 422 },
  ],
]) {
  test(`an error body of the server's own is final: ${what}`, async (t) => {
    const { proxy, client } = await connectThroughProxy(t, { transport: "rest" });
    proxy.answer = httpResponse(status, JSON.stringify(body), JSON_TYPE);
    const refusal = await rejection(client.document({ id: freshName(t), data: {} }));
    assert.deepEqual([refusal.code, refusal.status, refusal.message], [body.code, status, "own"]);
  });
}

test("a defect of the server while it authenticates denies nobody", async (t) => {
  const { proxy, client } = await connectThroughProxy(t, { transport: "rest" });
  await client.document();
  const body = { code: 20500, message: "a defect", status: 500 };
  proxy.answer = httpResponse(500, JSON.stringify(body), JSON_TYPE);
  const refusal = await rejection(client.document(freshName(t)));
  assert.deepEqual([refusal.code, refusal.status], [20500, 500]);
  assert.notEqual(client.connectionState, "denied");
});

test("the codes of the server are those that the client knows", async () => {
  const path = new URL("../../protocol/syncline_protocol/errors.py", import.meta.url);
  const codes = [...(await readFile(path, "utf8")).matchAll(/^ {4}[A-Z_]+ = (\d{5}), (\d{3})$/gm)];
  assert.ok(codes.length > 40);
  const known = Object.entries(CODES_BY_STATUS).flatMap(([status, all]) =>
    all.map((code) => [code, Number(status)]),
  );
  const listed = codes.map(([, code, status]) => [Number(code), Number(status)]);
  const withOwnCode = listed.filter(([code, status]) => code !== 20_000 + status);
  assert.deepEqual(known.map(String).sort(), withOwnCode.map(String).sort());
});

test("a WAF that refuses one write disturbs no other document permanently", async (t) => {
  const { proxy, client } = await connectThroughProxy(t, {
    transport: "rest",
    requestTimeout: 1_500,
  });
  const document = await client.document({ data: { n: 0 } });
  const seen = record(document);
  proxy.answer = WEATHER["a 403 page"];
  proxy.cut();
  const late = await rejection(document.set({ n: 1 }));
  assert.match(late.message, /no reply to set within 1500 ms/);
  proxy.answer = null;
  await document.set({ n: 2 });
  await when(document, () => seen.at(-1)?.data.n === 2);
});

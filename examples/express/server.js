/** A back end in Node: tokens for browsers, and a receiver of Syncline's webhooks. */

import express from "express";
import twilio from "twilio";

const {
  SYNCLINE_URL: url,
  SYNCLINE_ACCOUNT_SID: account,
  SYNCLINE_AUTH_TOKEN: authToken,
  SYNCLINE_API_KEY_SID: keySid,
  SYNCLINE_API_KEY_SECRET: keySecret,
  SYNCLINE_SERVICE: service = "default",
  PORT: port = "8000",
} = process.env;

const app = express();
const changes = [];

app.get("/token", (request, response) => {
  // In your application, the identity is that of the login.
  const { identity } = request.query;
  const token = new twilio.jwt.AccessToken(account, keySid, keySecret, { identity, ttl: 3600 });
  token.addGrant(new twilio.jwt.AccessToken.SyncGrant({ serviceSid: service }));
  response.type("text/plain").send(token.toJwt());
});

app.post("/webhook", express.urlencoded({ extended: false }), (request, response) => {
  const signature = request.get("X-Twilio-Signature") ?? "";
  // The URL as it was set below, not the one of this request: a proxy may have changed that.
  if (!twilio.validateRequest(authToken, signature, webhookUrl, request.body)) {
    response.sendStatus(403);
    return;
  }
  // An event may come twice: let the second one change nothing.
  const id = request.get("I-Twilio-Idempotency-Token");
  const { EventType: type, DocumentUniqueName: name, DocumentData: data } = request.body;
  if (!changes.some((change) => change.id === id)) {
    changes.push({ id, type, name, data: data && JSON.parse(data) });
    changes.splice(0, changes.length - 100);
    console.log(type, name ?? "", data ?? "");
  }
  response.sendStatus(204);
});

app.get("/changes", (request, response) => {
  response.json(changes);
});

let webhookUrl;
const server = app.listen(Number(port), "127.0.0.1", async (error) => {
  if (error) throw error;
  const address = `http://127.0.0.1:${server.address().port}`;
  webhookUrl = process.env.WEBHOOK_URL ?? `${address}/webhook`;
  // The vendor's helper library is a REST client for Syncline: only its base URL is another one.
  const client = twilio(account, authToken);
  client.sync.baseUrl = url;
  const settings = { webhookUrl, webhooksFromRestEnabled: true };
  await client.sync.v1.services(service).update(settings);
  console.log(`Listening at ${address}`);
});

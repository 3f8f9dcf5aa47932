/** Programs with clients and streams: what is right compiles, and each wrong line is refused. */

import {
  Client,
  type ClientOptions,
  type ConnectionState,
  Emitter,
  type JsonObject,
  StreamMessage,
  SyncClient,
  SyncStream,
  type Token,
} from "syncline";

interface Cursor {
  x: number;
  y: number;
}

// Clients
const token: Token = async () => "token";
const options: ClientOptions = { url: "https://sync.example.com", transport: "rest" };
const client: Client = new SyncClient(token, options);
client.connectionState satisfies ConnectionState;
client.on("connectionStateChanged", (state) => state === "connected");
client.on("connectionError", ({ terminal, httpStatusCode }) => [terminal, httpStatusCode]);
client.once("tokenExpired", () => client.updateToken(token))();
// @ts-expect-error there is no such event
client.on("connected", () => {});
// @ts-expect-error there is no such state
client.on("connectionStateChanged", (state) => state === "open");
// @ts-expect-error there is no such transport
new Client(token, { transport: "polling" });
// @ts-expect-error a token is needed
new Client();
// @ts-expect-error a token function returns a string
new Client(async () => ({ token: "token" }));

// Messages
const cursors = await client.stream<Cursor>("cursors");
cursors satisfies SyncStream<Cursor>;
const message = await cursors.publishMessage({ x: 1, y: 2 });
message satisfies StreamMessage<Cursor>;
message.data.x satisfies number;
cursors.on("messagePublished", ({ message: { data, createdBy } }) => [data.y.toFixed(), createdBy]);
cursors.on("missed", ({ count }) => count satisfies number)();
for await (const event of cursors) {
  if (event.type === "messagePublished") event.message.value.x satisfies number;
}
// @ts-expect-error a member is missing
await cursors.publishMessage({ x: 1 });
// @ts-expect-error it is of another type
await cursors.publishMessage({ x: 1, y: "2" });
// @ts-expect-error there is no such member
cursors.on("messagePublished", ({ message: { data } }) => data.z);
// @ts-expect-error it is an event of documents
cursors.on("updated", () => {});
// @ts-expect-error the data of a message is an object
await client.stream<number[]>("cursors");

// Without types
const prefs = await client.document({ data: { visits: 0 } });
prefs.data satisfies JsonObject;
await prefs.set({ color: "red", sizes: [1, 2] });
await prefs.mutate((data) => ({ visits: data.visits + 1, ...data.anything.at.all }));
const items = await client.map("items");
(await items.get("a")).data.anything.at.all;
await (await client.list("list")).push({ anything: 1 });
await (await client.stream()).publishMessage({ anything: 1 });
// @ts-expect-error data is an object
await prefs.set("red");
// @ts-expect-error an array is no object
await prefs.set([1]);

// Emitters of the application's own
const emitter = new Emitter<{ news: string; end: void }>();
emitter.on("news", (text) => text.length)();
emitter.emit("news", "text");
// @ts-expect-error there is no such event
emitter.on("old", () => {});
// @ts-expect-error it is of another type
emitter.emit("news", 1);

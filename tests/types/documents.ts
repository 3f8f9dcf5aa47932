/** Programs with documents: what is right compiles, and each wrong line is refused. */

import {
  Client,
  type DocumentEvent,
  type Mutator,
  SyncDocument,
  type UpdatedEvent,
} from "syncline";

interface Lobby {
  open: boolean;
  players: string[];
  topic?: string;
}

const client = new Client("token", { url: "https://sync.example.com" });
const lobby = await client.document<Lobby>("lobby");

// Opening
lobby satisfies SyncDocument<Lobby>;
const byReturnType: SyncDocument<Lobby> = await client.document("lobby");
await client.document<Lobby>({ id: "lobby", data: { open: true, players: [] }, ttl: 60 });
type Settings = { theme: "dark" | "light" };
const settings = await client.document<Settings>({ mode: "create_new" });
class Score {
  points = 0;
}
await client.document<Score>("score");
// @ts-expect-error a member is missing
await client.document<Lobby>({ id: "lobby", data: { open: true } });
// @ts-expect-error there is no such mode
await client.document<Lobby>({ id: "lobby", mode: "open" });
// @ts-expect-error the data of a document is an object
await client.document<string>("lobby");
// @ts-expect-error an array is no object
await client.document<string[]>("lobby");
// @ts-expect-error a Map is no JSON
await client.document<Map<string, string>>("lobby");
// @ts-expect-error a document is opened by a name
await client.document<Lobby>(1);

// Reading
lobby.data.open satisfies boolean;
lobby.value.players satisfies string[];
lobby.data.topic satisfies string | undefined;
// @ts-expect-error it may be missing
lobby.data.topic.length;
// @ts-expect-error there is no such member
lobby.data.closed;
// @ts-expect-error it is of another type
lobby.data.open satisfies string;
// @ts-expect-error the handle has to be awaited
client.document<Lobby>("lobby").data;
// @ts-expect-error data is written by the verbs
lobby.data = { open: true, players: [] };

// Writing
(await lobby.set({ open: true, players: [] }, { ifMatch: lobby.revision })) satisfies Lobby;
(await lobby.update({ open: false })) satisfies Lobby;
await lobby.update({}, { ttl: 60 });
(await lobby.increment("/visits")) satisfies Lobby;
(await lobby.patch({ merge: { topic: null } })) satisfies Lobby;
// @ts-expect-error a member is missing
await lobby.set({ open: true });
// @ts-expect-error there is no such member
await lobby.set({ open: true, players: [], closed: false });
// @ts-expect-error it is of another type
await lobby.update({ open: "yes" });
// @ts-expect-error there is no such member
await lobby.update({ closed: true });
// @ts-expect-error the theme is one of two
await settings.update({ theme: "blue" });
// @ts-expect-error an option is misspelt
await lobby.set({ open: true, players: [] }, { ifmatch: lobby.revision });
// @ts-expect-error there is no such kind of patch
await lobby.patch({ add: { open: true } });
// @ts-expect-error numbers are added
await lobby.increment("/visits", "1");

// Mutating
(await lobby.mutate((data: Lobby): Lobby => ({ ...data, open: true }))) satisfies Lobby;
await lobby.mutate((data) => ({ ...data, players: [...data.players, "alice"] }), { ttl: 60 });
await lobby.mutate(async (data) => (data.open ? { ...data, open: false } : null));
await lobby.mutate((data) => {
  if (data.open) return undefined;
  data.open = true;
  return data;
});
await lobby.mutate(() => {});
const opening: Mutator<Lobby> = (data) => ({ ...data, open: true });
await lobby.mutate(opening);
// @ts-expect-error a member is missing in the result
await lobby.mutate(() => ({ open: true }));
// @ts-expect-error a member of the result is of another type
await lobby.mutate(async (data) => ({ ...data, open: 1 }));
// @ts-expect-error there is no such member
await lobby.mutate((data) => ({ ...data, open: data.closed }));
// @ts-expect-error the mutator takes data of another type
await lobby.mutate((data: Settings) => data);
// @ts-expect-error a mutator is a function
await lobby.mutate({ open: true });

// Events
lobby.on("updated", ({ data, previousData, isLocal }) => {
  data.open satisfies boolean;
  previousData.players satisfies string[];
  isLocal satisfies boolean;
  // @ts-expect-error there is no such member
  data.closed;
});
lobby.on("updated", (event: UpdatedEvent<Lobby>) => event.revision);
lobby.on(SyncDocument.removed, ({ previousData, expired }) => [previousData.open, expired]);
const unsubscribe = lobby.on("updated", () => {});
unsubscribe() satisfies void;
lobby.once("removed", async () => {})();
lobby.off("updated", () => {}).removeAllListeners("removed") satisfies SyncDocument<Lobby>;
for await (const event of lobby.events()) {
  event satisfies DocumentEvent<Lobby>;
  if (event.type === "updated") event.data.open satisfies boolean;
  // @ts-expect-error a removal has no data
  else event.data;
}
// @ts-expect-error there is no such event
lobby.on("update", () => {});
// @ts-expect-error it is an event of maps
lobby.once("itemAdded", () => {});
// @ts-expect-error there is no such event
lobby.off("changed", () => {});
// @ts-expect-error there is no such event
lobby.removeAllListeners("changed");
// @ts-expect-error the event has no such member
lobby.on("updated", ({ item }) => item);
// @ts-expect-error the listener takes another event
lobby.on("removed", (event: UpdatedEvent<Lobby>) => event);
// @ts-expect-error a listener is needed
lobby.on("updated");
// @ts-expect-error what `on` returns is no handle
lobby.on("updated", () => {}).on("removed", () => {});

// A function that takes any document takes a typed one; the other way around is refused.
const show = (document: SyncDocument) => document.data.anything;
show(lobby);
const join = (document: SyncDocument<Lobby>) => document.update({ open: true });
join(byReturnType);
// @ts-expect-error it has other data
join(settings);

/** Programs with maps and lists: what is right compiles, and each wrong line is refused. */

import {
  Client,
  type ItemAddedEvent,
  type ItemMutator,
  type ItemRemovedEvent,
  ListItem,
  MapItem,
  Paginator,
  Replica,
  SyncList,
  SyncMap,
} from "syncline";

interface Player {
  score: number;
  team?: "red" | "blue";
}

type Task = { title: string; isDone: boolean };

const client = new Client(async () => "token", { url: "https://sync.example.com" });
const players = await client.map<Player>("players");
const tasks = await client.list<Task>({ id: "tasks", indexes: [1, 2] });
players satisfies SyncMap<Player>;
tasks satisfies SyncList<Task>;
// @ts-expect-error the data of an item is an object
await client.map<number>("players");
// @ts-expect-error an array is no object
await client.list<Task[]>("tasks");
// @ts-expect-error a list has no keys
await client.list<Task>({ keys: ["a"] });
// @ts-expect-error a map has no indexes
await client.map<Player>({ indexes: [1] });

// Items
const alice = await players.set("alice", { score: 1 }, { ttl: 60, ifMatch: "-1" });
alice satisfies MapItem<Player>;
alice.data.score satisfies number;
alice.key satisfies string;
(await players.get("alice")).value.team satisfies "red" | "blue" | undefined;
(await players.add("bob", { score: 0, team: "red" })).data satisfies Player;
(await players.update("alice", { team: "blue" })) satisfies MapItem<Player>;
await players.mutate("alice", (data: Player) => ({ ...data, score: data.score + 1 }));
await players.mutate("alice", async (data) => ({ score: data.score + alice.data.score }));
await players.increment("alice", "/score", 5);
const task = await tasks.push({ title: "sweep", isDone: false });
task satisfies ListItem<Task>;
task.index satisfies number;
(await tasks.update(task.index, { isDone: true })).data.isDone satisfies boolean;
await players.mutate("dora", (data, item) => (item === null ? { score: 0 } : data));
await players.mutate("dora", (data, item) => ({ ...data, team: item?.data.team }));
const doubling: ItemMutator<Player> = ({ score }) => ({ score: score * 2 });
await players.mutate("alice", doubling);
// @ts-expect-error there may be no such item
await players.mutate("dora", (_, item) => item.data);
// @ts-expect-error an item of a list has no key
await tasks.mutate(1, (data, item) => (item?.key ? data : null));
// @ts-expect-error it is of another type
await players.set("alice", { score: "1" });
// @ts-expect-error a member is missing
await players.add("alice", { team: "red" });
// @ts-expect-error there is no such team
await players.update("alice", { team: "green" });
// @ts-expect-error there is no such member
await players.update("alice", { points: 1 });
// @ts-expect-error a member of the result is of another type
await players.mutate("alice", (data) => ({ ...data, score: null }));
// @ts-expect-error a member is missing
await tasks.push({ title: "sweep" });
// @ts-expect-error an item of a list has an index
await tasks.get("1");
// @ts-expect-error an item of a map has a key
await players.get(1);
// @ts-expect-error an item of a map has no index
alice.index;
// @ts-expect-error a list has no `add`
await tasks.add("1", { title: "sweep", isDone: false });
// @ts-expect-error the item has to be awaited
players.get("alice").data;

// Pages
const page = await players.getItems({ from: "a", order: "desc", pageSize: 10 });
page satisfies Paginator<MapItem<Player>>;
page.items[0].data.score satisfies number;
(await page.nextPage()).items.map(({ key }) => key.length);
for await (const { index, data } of tasks.items({ limit: 5 })) [index.toFixed(), data.title.trim()];
// @ts-expect-error there is no such order
await players.getItems({ order: "up" });
// @ts-expect-error there is no such member
page.items[0].data.points;

// Batches
const [result] = await players.batch((batch) => batch.set("bob", { score: 1 }).remove("alice"));
result.item?.data.score satisfies number | undefined;
await tasks.batch((batch) => batch.push({ title: "sweep", isDone: false }).set(1, task.data));
await players.batch([{ op: "remove", key: "alice" }]);
// @ts-expect-error it is of another type
await players.batch((batch) => batch.set("bob", { score: "1" }));
// @ts-expect-error a member is missing
await tasks.batch((batch) => batch.push({ isDone: true }));

// Replicas
const replica = players.replica({ prefix: "team1/" });
replica satisfies Replica<MapItem<Player>>;
await replica.ready;
replica.get("alice")?.data.score satisfies number | undefined;
replica.items().map(({ data }) => data.score.toFixed());
replica.keys() satisfies string[];
for (const { key, data } of replica) [key.length, data.team?.length];
const unsubscribe = replica.on("itemUpdated", ({ item, previousItemData }) => {
  item.data.score satisfies number;
  previousItemData satisfies Player | null;
});
unsubscribe();
tasks.replica().keys() satisfies number[];
// @ts-expect-error there may be no such item
replica.get("alice").data;
// @ts-expect-error an item of a list has an index
tasks.replica().get("1");
// @ts-expect-error a replica has no `reset`
replica.on("reset", () => {});

// Events
players.on("itemAdded", ({ item }) => item.data.score satisfies number);
players.on("itemAdded", (event: ItemAddedEvent<MapItem<Player>>) => event.item.key);
players.on("itemUpdated", ({ previousItemData }) => previousItemData?.score.toFixed());
players.on("itemRemoved", ({ key, previousItemData }) => [key.length, previousItemData?.team]);
players.on("itemRemoved", (event: ItemRemovedEvent<MapItem<Player>>) => event.key);
tasks.on("itemRemoved", ({ index }) => index.toFixed());
players.on("expiry", ({ dateExpires }) => dateExpires satisfies string | null);
players.once(SyncMap.reset, () => {})() satisfies void;
for await (const event of players.events()) {
  if (event.type === "itemAdded") event.item.data.score satisfies number;
  if (event.type === "itemRemoved") event.key satisfies string;
}
// @ts-expect-error there is no such member
players.on("itemAdded", ({ item }) => item.data.points);
// @ts-expect-error the data before may not be known
players.on("itemUpdated", ({ previousItemData }) => previousItemData.score);
// @ts-expect-error an item of a list has no key
tasks.on("itemRemoved", ({ key }) => key);
// @ts-expect-error it is an event of documents
players.on("updated", () => {});
// @ts-expect-error it is an event of streams
tasks.once("messagePublished", () => {});

// A function that takes any map takes a typed one; the other way around is refused.
const count = async (map: SyncMap) => (await map.getItems()).items.length;
await count(players);
const reward = (map: SyncMap<Player>) => map.update("alice", { score: 2 });
await reward(players);
// @ts-expect-error it has other items
await reward(await client.map<Task>("tasks"));
// @ts-expect-error a list is no map
await count(tasks);

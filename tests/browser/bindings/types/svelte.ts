/** Right and wrong programs with the Svelte stores. */

import { get } from "svelte/store";
import { Client } from "syncline";
import {
  clientStore, connectionStore, documentStore, listIndexesStore, listItemStore, listStore,
  mapItemStore, mapKeysStore, mapStore, provideSyncline, streamStore,
} from "syncline-svelte";

interface Lobby {
  open: boolean;
}

const client = new Client("token", { url: "https://sync.example.com" });
provideSyncline({ client });
// @ts-expect-error there is no such option
provideSyncline({ address: "https://sync.example.com" });

const store = documentStore<Lobby>("lobby", { client, data: { open: true } });
const lobby = get(store);
if (lobby.status === "ready") lobby.data.open satisfies boolean;
void lobby.update({ open: false });
void store.methods.mutate((data) => ({ open: !data.open }));
// @ts-expect-error not a boolean
void lobby.update({ open: 1 });
// @ts-expect-error a store is not written to
store.set({ open: true });

get(mapStore<{ title: string }>("board")).items.map(({ key, data }) => [key, data.title.length]);
get(mapKeysStore("board")).keys satisfies readonly string[];
get(mapItemStore<{ title: string }>("board", "a")).data?.title satisfies string | undefined;
void get(listStore<{ text: string }>("log")).push({ text: "a" });
// @ts-expect-error text is missing
void get(listStore<{ text: string }>("log")).push({});
get(listIndexesStore("log")).indexes satisfies readonly number[];
get(listItemStore("log", 1)).item?.index satisfies number | undefined;
get(streamStore<{ x: number }>("cursors", { keep: 2 })).messages.map(({ data }) => data.x.toFixed());
get(connectionStore({ client })).error?.message;
get(clientStore())?.transport;

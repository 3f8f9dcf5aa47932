/** Right and wrong programs with the Vue composables. */

import { createApp, ref } from "vue";
import {
  createSyncline, useClient, useConnection, useDocument, useList, useListIndexes, useListItem,
  useMap, useMapItem, useMapKeys, useStream,
} from "syncline-vue";

interface Lobby {
  open: boolean;
}

createApp({}).use(createSyncline({ url: "https://sync.example.com", token: async () => "token" }));
// @ts-expect-error there is no such option
createSyncline({ address: "https://sync.example.com" });

const name = ref<string | null>(null);
const { status, data, error, update, reopen } = useDocument<Lobby>(name, { data: { open: true } });
data.value?.open satisfies boolean | undefined;
error.value?.message satisfies string | undefined;
if (status.value === "error") reopen();
void update({ open: false });
// @ts-expect-error not a boolean
void update({ open: 1 });
// @ts-expect-error there may be no data yet
data.value.open;

const board = useMap<{ title: string }>(() => "board", { keys: ["a"] });
board.items.value.map(({ key, data }) => [key.length, data.title.length]);
void board.set("a", { title: "A" });
// @ts-expect-error a title is text
void board.set("a", { title: 1 });
useMapKeys("board").keys.value satisfies readonly string[];
const card = useMapItem<{ title: string }>("board", () => "a");
void card.update({ title: card.data.value?.title });
const log = useList<{ text: string }>("log");
void log.push({ text: "a" });
useListIndexes("log").indexes.value satisfies readonly number[];
useListItem<{ text: string }>("log", ref(1)).data.value?.text satisfies string | undefined;
// @ts-expect-error an item of a list has an index
useListItem("log", "a");
const { messages } = useStream<{ x: number }>("cursors", { keep: 1, onMessage: ({ data }) => data.x });
messages.value[0]?.data.x satisfies number | undefined;
useConnection().value.state satisfies string;
useClient().value?.transport;

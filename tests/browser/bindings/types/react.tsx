/** Right and wrong programs with the React hooks. */

import { Client } from "syncline";
import {
  SynclineProvider, useClient, useConnection, useDocument, useList, useListIndexes, useListItem,
  useMap, useMapItem, useMapKeys, useStream,
} from "syncline-react";

interface Lobby {
  open: boolean;
  players: string[];
}

type Card = { title: string; column: number };

export function Lobby({ name }: { name: string | null }) {
  const lobby = useDocument<Lobby>(name, { data: { open: true, players: [] }, ttl: 60 });
  if (lobby.status !== "ready") {
    lobby.data satisfies Lobby | undefined;
    // @ts-expect-error there may be no data yet
    lobby.data.open;
    return <p onClick={lobby.reopen}>{lobby.error?.message ?? lobby.status}</p>;
  }
  lobby.data.players satisfies string[];
  void lobby.update({ open: false });
  void lobby.mutate((data) => ({ ...data, players: [...data.players, "ada"] }));
  void lobby.increment("/visits", 2);
  // @ts-expect-error there is no such member
  lobby.data.closed;
  // @ts-expect-error not a boolean
  void lobby.update({ open: "yes" });
  // @ts-expect-error not a whole lobby
  void lobby.set({ open: true });
  // @ts-expect-error there is no such status
  lobby.status === "done";
  return <b>{String(lobby.data.open)}</b>;
}

export function Board() {
  const board = useMap<Card>("board", { prefix: "card-" });
  const { keys } = useMapKeys<Card>("board");
  void board.set("a", { title: "A", column: 1 });
  void board.batch((batch) => batch.remove("a"));
  // @ts-expect-error a column is a number
  void board.set("a", { title: "A", column: "1" });
  // @ts-expect-error a map has keys
  void board.get(1);
  return (
    <ul>
      {keys.map((key) => <CardOf key={key} id={key} board={board} />)}
      {board.items.map(({ key, data }) => <li key={key}>{data.title.toUpperCase()}</li>)}
    </ul>
  );
}

function CardOf({ id, board }: { id: string; board: ReturnType<typeof useMap<Card>> }) {
  const card = useMapItem(board, id);
  const same = useMapItem<Card>("board", id);
  void same.update({ title: "B" });
  void card.remove({ ifMatch: card.item?.revision });
  // @ts-expect-error the key is given already
  void same.update(id, { title: "B" });
  return <li>{card.data?.title ?? "gone"}</li>;
}

export function Log() {
  const log = useList<{ text: string }>("log");
  const { indexes } = useListIndexes("log");
  const first = useListItem<{ text: string }>("log", indexes[0] ?? 0);
  void log.push({ text: first.data?.text ?? "" });
  // @ts-expect-error text is missing
  void log.push({});
  const { messages, publishMessage } = useStream<{ x: number }>("cursors", {
    keep: 10,
    onMessage: ({ data, isLocal }) => [data.x.toFixed(), isLocal],
    onMissed: (count) => count.toFixed(),
  });
  void publishMessage({ x: 1 });
  // @ts-expect-error x is a number
  void publishMessage({ x: "1" });
  const { state, error } = useConnection();
  const client: Client | null = useClient();
  return <p>{[log.items.length, messages.length, state, error?.message, client?.transport]}</p>;
}

const client = new Client(async () => "token", { url: "https://sync.example.com" });
export const apps = [
  <SynclineProvider client={client}><Log /></SynclineProvider>,
  <SynclineProvider url="https://sync.example.com" token={async () => "token"}><Log /></SynclineProvider>,
  // @ts-expect-error a token is text, or a function
  <SynclineProvider token={1} />,
];

"""Programs whose types are right: models of all kinds, and each verb of each handle."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TypedDict, assert_type

import msgspec
import pydantic

import syncline


@dataclass
class Player:
    name: str
    score: int = 0


@dataclass(frozen=True)
class Lobby:
    title: str
    players: list[Player] = field(default_factory=list)
    host: Player | None = None


class Card(TypedDict):
    text: str
    column: str


class Message(pydantic.BaseModel):
    text: str


class Cursor(msgspec.Struct):
    x: float
    y: float


async def documents(client: syncline.Client) -> None:
    lobby = await client.document("lobby", model=Lobby, data=Lobby("Main"))
    assert_type(lobby, syncline.Document[Lobby])
    assert_type(lobby.data, Lobby)
    assert_type(lobby.data.players[0].score, int)
    assert_type(lobby.snapshot, syncline.Snapshot[Lobby])
    assert_type(await lobby.set(Lobby("Other")), Lobby)
    assert_type(await lobby.update({"title": "New"}), Lobby)
    assert_type(await lobby.mutate(lambda data: replace(data, title="Changed")), Lobby)
    assert_type(await lobby.increment("/players/0/score"), Lobby)

    async def rename(data: Lobby) -> Lobby | None:
        await asyncio.sleep(0)
        return None if data.title == "Main" else replace(data, title="Main")

    await lobby.mutate(rename)
    assert_type(await lobby.wait_for(lambda data: len(data.players) > 1, timeout=5), Lobby)


async def without_a_model(client: syncline.Client) -> None:
    document = await client.document("settings", data={"color": "red"})
    assert_type(document, syncline.Document[syncline.JsonObject])
    assert_type(document, syncline.Document)
    assert_type(document.data, syncline.JsonObject)
    await document.set({"color": "blue"})
    await document.mutate(lambda data: {**data, "n": data.get("n", 0) + 1})


async def collections(client: syncline.Client) -> None:
    async with client.map("cards", model=Card) as cards:
        assert_type(cards, syncline.Map[Card])
        item = await cards.set("a", {"text": "Paint", "column": "todo"})
        assert_type(item, syncline.Item[Card, str])
        assert_type(item.data["text"], str)
        assert_type(await cards.get("b"), syncline.Item[Card, str] | None)
        await cards.update("a", {"column": "done"})
        await cards.mutate("a", lambda card: {**card, "column": "done"} if card else None)
        async for key, each in cards.items():
            assert_type(key, str)
            assert_type(each.data, Card)
        page = await cards.page(order="desc")
        assert_type(page.items, list[syncline.Item[Card, str]])
        async with cards.batch() as batch:
            batch.set("b", {"text": "Sand", "column": "todo"})
            batch.remove("a")
        async with cards.replica(prefix="x") as replica:
            assert_type(replica, syncline.Replica[Card, str])
            assert_type(replica["x"].data, Card)
            await replica.wait_for(lambda items: len(items) == 2, timeout=1.5)
        waited = await cards.wait_for("a", lambda card: card["column"] == "done")
        assert_type(waited, syncline.Item[Card, str])

    players = await client.list("players", model=Player)
    added = await players.append(Player("Ann"))
    assert_type(added.key, int)
    assert_type(added.data, Player)
    show(added)


async def messages(client: syncline.Client) -> None:
    chat = await client.stream("chat", model=Message)
    await chat.publish(Message(text="Hello"))
    cursors = await client.stream("cursors", model=Cursor)
    await cursors.publish(Cursor(1, 2))


async def openings(client: syncline.Client) -> None:
    task = asyncio.create_task(client.document("lobby", model=Lobby))
    assert_type(await task, syncline.Document[Lobby])
    first, second = await asyncio.gather(client.document("a"), client.map("b", model=Card))
    assert_type(first, syncline.Document[syncline.JsonObject])
    assert_type(second, syncline.Map[Card])
    opening: syncline.Opening[syncline.List[Player]] = client.list("players", model=Player)
    await opening


def show(item: syncline.Item[Player]) -> str:
    return item.data.name


async def errors(lobby: syncline.Document[Lobby]) -> None:
    try:
        lobby.data  # noqa: B018
    except syncline.ModelMismatch as mismatch:
        assert_type(mismatch.path, str)
        assert_type(mismatch.json, bytes)

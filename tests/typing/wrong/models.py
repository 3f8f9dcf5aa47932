"""Programs whose types are wrong: a type checker must refuse each line that is marked so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import msgspec
import pydantic

import syncline


@dataclass
class Lobby:
    title: str
    seats: int = 4


class Card(TypedDict):
    text: str


class Message(pydantic.BaseModel):
    text: str


class Cursor(msgspec.Struct):
    x: float


async def missing_await(client: syncline.Client) -> None:
    client.document("lobby", model=Lobby).update({"title": "New"})  # refused
    client.document("lobby").data  # noqa: B018  # refused
    client.map("cards")["a"]  # refused
    lobby: syncline.Document[Lobby] = client.document("lobby", model=Lobby)  # refused
    with client.document("lobby") as document:  # refused
        await document.set({})
    opened = await client.document("lobby", model=Lobby)
    opened.update({"title": "New"})  # refused
    opened.set(Lobby("New")).title  # noqa: B018  # refused
    print(lobby)


async def attributes_of_data(client: syncline.Client) -> None:
    lobby = await client.document("lobby", model=Lobby)
    print(lobby.data.name)  # refused
    print(lobby.snapshot.data.name)  # refused
    cards = await client.map("cards", model=Card)
    print((await cards["a"]).data["title"])  # refused
    chat = await client.list("chat", model=Message)
    print((await chat[0]).data.body)  # refused
    cursors = await client.map("cursors", model=Cursor)
    async for _, item in cursors.items():
        print(item.data.y)  # refused


async def data_of_another_type(client: syncline.Client) -> None:
    lobby = await client.document("lobby", model=Lobby)
    await lobby.set({"title": "New"})  # refused
    await lobby.set(Card(text="x"))  # refused
    await lobby.mutate(lambda data: data.title)  # refused
    await lobby.mutate(lambda data: {"title": "New"})  # refused
    await lobby.update(Lobby("New"))  # refused
    await lobby.wait_for(lambda data: data.full)  # refused
    cards = await client.map("cards", model=Card)
    await cards.set("a", {"title": "x"})  # refused
    await cards.set(1, {"text": "x"})  # refused
    async with cards.batch() as batch:
        batch.set("a", Lobby("x"))  # refused
    chat = await client.stream("chat", model=Message)
    await chat.publish({"text": "x"})  # refused
    log = await client.list("log", model=Cursor)
    await log.append(Message(text="x"))  # refused


async def models(client: syncline.Client) -> None:
    await client.document("lobby", model=Lobby("an instance"))  # refused
    await client.document("lobby", modl=Lobby)  # refused
    await client.document("lobby", mode="create", model=Lobby)  # refused


def handles(document: syncline.Document[Lobby], untyped: syncline.Document) -> None:
    wrong: syncline.Document[Card] = document  # refused
    other: syncline.Document[Lobby] = untyped  # refused
    print(wrong, other)

"""Programs whose types are wrong: a type checker must refuse each line that is marked so."""

from __future__ import annotations

from dataclasses import dataclass

import syncline


@dataclass
class Lobby:
    title: str


@dataclass
class Card:
    text: str


def names_of_events(
    lobby: syncline.Document[Lobby],
    cards: syncline.Map[Card],
    chat: syncline.Stream[Card],
    client: syncline.Client,
) -> None:
    lobby.on("update", print)  # refused
    lobby.on("item_added", print)  # refused
    cards.on("itemAdded", print)  # refused
    cards.on("updated", print)  # refused
    cards.replica().on("added", print)  # refused
    chat.on("message", print)  # refused
    client.on("connected", print)  # refused

    @lobby.on("changed")  # refused
    def changed(event: syncline.Updated[Lobby]) -> None: ...


def attributes_of_events(
    lobby: syncline.Document[Lobby], cards: syncline.Map[Card], chat: syncline.Stream[Card]
) -> None:
    lobby.on("updated", lambda event: print(event.datum))  # refused
    lobby.on("updated", lambda event: print(event.data.name))  # refused
    lobby.on("removed", lambda event: print(event.snapshot))  # refused
    cards.on("item_added", lambda event: print(event.previous))  # refused
    cards.on("item_removed", lambda event: print(event.item))  # refused
    cards.on("item_added", lambda event: print(event.data.title))  # refused
    chat.on("message_published", lambda event: print(event.data.title))  # refused
    chat.on("missed", lambda event: print(event.data))  # refused


def types_of_events(lobby: syncline.Document[Lobby], cards: syncline.Map[Card]) -> None:
    def of_removals(event: syncline.Removed[Lobby]) -> None: ...

    def of_another_model(event: syncline.Updated[Card]) -> None: ...

    async def of_integers(event: syncline.ItemAdded[Card, int]) -> None: ...

    lobby.on("updated", of_removals)  # refused
    lobby.on("updated", of_another_model)  # refused
    cards.on("item_added", of_integers)  # refused

    @lobby.on("updated")  # refused
    def removed(event: syncline.Removed[Lobby]) -> None: ...


async def iterators(lobby: syncline.Document[Lobby], cards: syncline.Map[Card]) -> None:
    async for event in lobby.events():
        print(event.snapshot)  # refused
    async for change in cards.events():
        print(change.item)  # refused

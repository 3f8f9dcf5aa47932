"""Programs whose types are right: callbacks, decorators and iterators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never, assert_type

import syncline


@dataclass
class Lobby:
    title: str


@dataclass
class Card:
    text: str


def listen(lobby: syncline.Document[Lobby], client: syncline.Client) -> None:
    def updated(event: syncline.Updated[Lobby]) -> None:
        assert_type(event.data, Lobby)
        assert_type(event.previous_data.title, str)

    async def removed(event: syncline.Removed[Lobby]) -> None:
        assert_type(event.removed_by, str | None)

    stop = lobby.on("updated", updated)
    lobby.on("removed", removed)
    lobby.on("updated", lambda event: print(event.data.title, event.is_local))
    lobby.on("updated", print)
    stop()

    @lobby.on("updated")
    async def changed(event: syncline.Updated[Lobby]) -> None:
        print(event.data.title)

    @lobby.on("removed")
    def gone(event: syncline.Removed[Lobby]) -> int:
        return len(event.previous_data.title)

    @client.on("state")
    def state(change: syncline.StateChanged) -> None:
        assert_type(change.state, syncline.ConnectionState)


async def read(lobby: syncline.Document[Lobby]) -> None:
    async for event in lobby.events():
        if isinstance(event, syncline.Updated):
            assert_type(event.data, Lobby)
        elif isinstance(event, syncline.Removed):
            assert_type(event.previous_data, Lobby)
        else:
            assert_never(event)


def listen_to_items(cards: syncline.Map[Card], log: syncline.List) -> None:
    @cards.on("item_added")
    def added(event: syncline.ItemAdded[Card, str]) -> None:
        assert_type(event.key, str)
        assert_type(event.data.text, str)

    @cards.on("item_updated")
    def updated(event: syncline.ItemUpdated[Card]) -> None:
        if event.previous is not None:
            assert_type(event.previous.data, Card)

    cards.on("item_removed", lambda event: print(event.key.upper(), event.removed_by))
    cards.on("reset", lambda event: print(event.revision))
    cards.on("expiry", lambda event: print(event.date_expires))
    cards.on("removed", lambda event: print(event.sid))
    log.on("item_added", lambda event: print(event.key + 1, event.data["text"]))


async def read_items(cards: syncline.Map[Card]) -> None:
    async for event in cards.events():
        handle(event)
    async with cards.replica() as replica:
        replica.on("item_added", lambda event: print(event.data.text))


def handle(event: syncline.MapEvent[Card]) -> None:
    match event:
        case syncline.ItemAdded() | syncline.ItemUpdated():
            assert_type(event.item.data, Card)
        case syncline.ItemRemoved(data=Card(text=text)):
            print(text)


def listen_to_messages(chat: syncline.Stream[Card]) -> None:
    @chat.on("message_published")
    def published(event: syncline.MessagePublished[Card]) -> None:
        print(event.data.text)

    chat.on("missed", lambda event: print(event.count))

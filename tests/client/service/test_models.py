"""Models of the data, by the clients of back ends."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any, TypedDict

import pytest

from support.back_end import begun, collect, now
from syncline import (
    AsyncService,
    InvalidRequest,
    JsonObject,
    ModelMismatch,
    RevisionMismatch,
    Service,
    UsageError,
)


@dataclass
class Lobby:
    players: int
    full: bool = False


class Score(TypedDict):
    score: int


async def test_a_document_has_the_data_of_its_model(service: Any) -> None:
    made = await now(service.documents.create("lobby", Lobby(1), model=Lobby))
    assert made.data == Lobby(1)

    lobby = await now(service.documents.get("lobby", model=Lobby))
    assert await now(lobby.set(Lobby(2))) == Lobby(2)
    assert await now(lobby.update({"full": True})) == Lobby(2, full=True)
    assert await now(lobby.increment("/players")) == Lobby(3, full=True)
    assert await now(lobby.mutate(lambda data: Lobby(data.players + 1))) == Lobby(4)
    with pytest.raises(RevisionMismatch) as refused:
        await now(lobby.set(Lobby(9), if_match=made.revision))
    assert refused.value.document is not None and refused.value.document.data == Lobby(4)
    with pytest.raises(InvalidRequest, match="score"):
        await now(lobby.update({"score": 1}))
    with pytest.raises(InvalidRequest):
        await now(lobby.set({"players": 1}))
    assert lobby["players"] == 4
    assert pickle.loads(pickle.dumps(lobby)).data == Lobby(4)
    assert [each.data for each in await collect(service.documents.list(model=Lobby))] == [Lobby(4)]
    opened = await now(service.documents.get_or_create("lobby", Lobby(0), model=Lobby))
    assert opened.data == Lobby(4)


async def test_what_the_model_does_not_have_is_kept_by_mutate(service: Any) -> None:
    plain = await now(service.documents.create("lobby", {"players": 1, "later": "x"}))
    lobby = service.documents.at("lobby", model=Lobby)

    await now(lobby.mutate(lambda data: Lobby(data.players + 1)))
    await now(plain.refresh())
    assert plain.data == {"players": 2, "full": False, "later": "x"}
    await now(plain.set({"players": "many"}))
    with pytest.raises(ModelMismatch):
        await now(lobby.mutate(lambda data: data))


async def test_items_have_the_data_of_the_model_of_their_map(service: Any) -> None:
    players = await now(service.maps.create("players", model=Score))
    await now(players.set("alice", {"score": 1}))

    assert (await now(players["alice"])).data == {"score": 1}
    with pytest.raises(InvalidRequest):
        await now(players.set("bob", {"points": 1}))
    with pytest.raises(InvalidRequest):
        async with begun(players.batch()) as batch:
            batch.set("bob", {"score": "high"})
    rooms = await now(service.lists.create(model=Lobby))
    await now(rooms.append(Lobby(1)))
    changed = await now(rooms.mutate(0, lambda data: Lobby(data.players + 1)))
    assert [each.data for each in await collect(rooms)] == [changed.data] == [Lobby(2)]
    stream = await now(service.streams.create(model=Lobby))
    assert await now(stream.publish(Lobby(1)))
    with pytest.raises(InvalidRequest):
        await now(stream.publish({"players": 1}))
    with pytest.raises(UsageError):
        service.maps.at("players", model=int)


def _typed(service: Service, asynchronous: AsyncService) -> None:
    """`mypy` checks this; it is not run."""
    lobby = service.documents.get("lobby", model=Lobby)
    number: int = lobby.data.players
    lobby.set(Lobby(number))
    lobby.set({"players": 1})  # type: ignore[arg-type]
    for key, item in service.maps.at("players", model=Score).items():
        number = item.data["score"]
        text: str = key
    service.maps.at(text, model=Score)["a"] = {"score": number}
    service.maps.at(text, model=Score)["a"] = Lobby(1)  # type: ignore[assignment]
    plain: JsonObject = service.documents["lobby"].data
    asynchronous.documents.at("a", data=plain)  # type: ignore[call-overload]


async def _typed_async(service: AsyncService) -> None:
    """`mypy` checks this; it is not run."""
    lobby = await service.documents.create("lobby", Lobby(1), model=Lobby)
    players: int = (await lobby.mutate(lambda data: Lobby(data.players))).players
    async for each in service.lists.at("l", model=Lobby):
        players = each.data.players
    await lobby.set(Lobby(players), ttl="x")  # type: ignore[arg-type]

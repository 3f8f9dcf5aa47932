"""Models of data: what is decoded, encoded and refused, on every handle and both transports."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pydantic
import pytest

from support.api import unique
from support.listening import EventReader, EventRecorder
from support.models import (
    ANN,
    MODELS,
    Lobby,
    LobbyModel,
    LobbyStruct,
    Player,
    Role,
)
from syncline import (
    Client,
    Conflict,
    InvalidRequest,
    ItemAdded,
    ItemRemoved,
    ItemUpdated,
    MessagePublished,
    ModelMismatch,
    RevisionMismatch,
)


@pytest.fixture(params=MODELS)
def kind(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A model and an instance of it."""
    return MODELS[request.param]


class TestEachKind:
    async def test_what_is_written_comes_back_everywhere(
        self, client: Client, rival: Client, kind: tuple[Any, Any]
    ) -> None:
        model, value = kind
        lobby = await client.document(unique(), model=model, data=value)
        events, recorder = EventReader(lobby), EventRecorder()
        lobby.on("updated", recorder)
        plain = await rival.document(lobby.sid)

        assert lobby.data == lobby.snapshot.data == value
        assert plain.data["players"][0].items() >= ANN.items()
        assert await lobby.set(value) == value
        await plain.update({"title": "New"})

        seen = [await events.next(), await events.next()]
        assert seen[0].data == seen[1].previous_data == value
        assert title_of(seen[1].data) == title_of(lobby.data) == "New"
        assert [(await recorder.next()).data, (await recorder.next()).data] == [
            each.data for each in seen
        ]
        await lobby.remove()
        assert title_of((await events.next()).previous_data) == "New"

    async def test_items_carry_it_too(self, client: Client, kind: tuple[Any, Any]) -> None:
        model, value = kind
        async with client.map(unique(), model=model) as lobbies, lobbies.replica() as replica:
            events, of_replica = EventReader(lobbies), EventReader(replica)
            written = await lobbies.set("a", value)
            assert written.data == (await lobbies["a"]).data == value
            await lobbies.update("a", {"title": "New"})
            async with lobbies.batch() as batch:
                batch.set("b", value)
            await lobbies.remove("a")

            for reader in (events, of_replica):
                added = await reader.next()
                assert isinstance(added, ItemAdded) and added.data == added.item.data == value
                updated = await reader.next()
                assert isinstance(updated, ItemUpdated) and title_of(updated.data) == "New"
                assert (await reader.next()).data == value
                removed = await reader.next()
                assert isinstance(removed, ItemRemoved) and title_of(removed.data) == "New"
            assert replica["b"].data == value
            assert [item.data for item in (await lobbies.page()).items] == [value]
            assert [item.data async for _, item in lobbies.items()] == [value]
            with pytest.raises(Conflict) as conflict:
                await lobbies.add("b", value)
            assert conflict.value.item is not None and conflict.value.item.data == value
            mutated = await lobbies.mutate("b", lambda data: retitled(data, "Mutated"))
            assert title_of(mutated.data) == "Mutated"

    async def test_lists_and_streams_carry_it_too(
        self, client: Client, kind: tuple[Any, Any]
    ) -> None:
        model, value = kind
        log = await client.list(unique(), model=model)
        item = await log.append(value)
        assert (await log[item.key]).data == value

        stream = await client.stream(unique(), model=model)
        events = EventReader(stream)
        await stream.publish(value)
        published = await events.next()
        assert isinstance(published, MessagePublished) and published.data == value

    async def test_mutate_keeps_the_fields_that_it_does_not_have(
        self, client: Client, kind: tuple[Any, Any]
    ) -> None:
        model, value = kind
        plain = await client.document(unique())
        lobby = await client.document(plain.sid, model=model)
        await lobby.set(value)
        host = {**plain.data["host"], "avatar": "a.png"}
        players = [{**plain.data["players"][0], "team": 1}, {"name": "Bob", "score": 1, "team": 2}]
        await plain.update({"host": host, "players": players, "theme": {"dark": True}})

        written = await lobby.mutate(lambda data: retitled(data, "New"))

        assert title_of(written) == "New" and title_of(lobby.data) == "New"
        stored = plain.data
        assert (stored["theme"], stored["host"]["avatar"]) == ({"dark": True}, "a.png")
        assert [each["team"] for each in stored["players"]] == [1, 2]
        # `set` replaces everything. A TypedDict is the whole object itself.
        await lobby.set(value)
        assert "theme" not in plain.data

    async def test_data_that_does_not_fit_is_refused_where_it_is_read_and_ends_nothing(
        self, client: Client, kind: tuple[Any, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        model, value = kind
        plain = await client.document(unique(), data={"title": "Main", "players": [ANN]})
        lobby = await client.document(plain.sid, model=model)
        events, seen, failed = EventReader(lobby), EventRecorder(), EventRecorder()
        lobby.on("updated", lambda event: seen(event.data))
        lobby.on("updated", failed)

        await plain.set({"title": "Main", "players": [ANN, {"name": 5}]})
        await plain.set({"title": "Again", "players": []})

        event = await events.next()
        reads: list[Callable[[], Any]] = [lambda: event.data, lambda: event.snapshot.data]
        for read in reads:
            with pytest.raises(ModelMismatch) as caught:
                read()
            assert (caught.value.path, caught.value.model) == ("players[1].name", model.__name__)
            assert str(caught.value).startswith("players[1].name: ")
            assert orjson.loads(caught.value.json)["players"][1] == {"name": 5}
            assert not caught.value.applied and not caught.value.retry
        assert orjson.loads(event.snapshot.json)["players"][1] == {"name": 5}
        assert title_of((await events.next()).data) == "Again"
        # The callback that raised was logged, and called with the next event.
        assert title_of(await seen.next()) == "Again"
        assert "a callback for 'updated' failed" in caplog.text
        assert [await failed.next(), await failed.next()]
        assert title_of(lobby.data) == "Again"

    async def test_a_write_that_does_not_fit_is_refused_before_it_is_sent(
        self, client: Client, kind: tuple[Any, Any]
    ) -> None:
        model, value = kind
        lobby = await client.document(unique(), model=model, data=value)
        revision = lobby.revision
        for changes, message in (
            ({"titel": "x"}, f"{model.__name__} has no field 'titel'; the fields are title, play"),
            ({"title": 5}, "title: "),
            ({"players": [{"name": "x"}, {"name": None}]}, r"players\[1\].name: "),
        ):
            with pytest.raises(InvalidRequest, match=message):
                await lobby.update(changes)
        with pytest.raises(InvalidRequest, match=f"The data must be a {model.__name__}, not int"):
            await lobby.set(5)
        with pytest.raises(InvalidRequest, match="title"):
            await lobby.mutate(lambda data: retitled(data, 5))
        assert lobby.revision == revision and lobby.data == value

    async def test_a_write_that_was_applied_says_so(
        self, client: Client, kind: tuple[Any, Any]
    ) -> None:
        model, value = kind
        lobby = await client.document(unique(), model=model, data=value)
        with pytest.raises(ModelMismatch, match=r"score: .*The write was applied\.") as caught:
            await lobby.increment("/players/0/score", 0.5)
        assert caught.value.applied
        assert orjson.loads(lobby.snapshot.json)["players"][0]["score"] == 3.5


def title_of(data: Any) -> Any:
    return data["title"] if isinstance(data, dict) else data.title


def retitled(data: Any, title: Any) -> Any:
    """Change the title in the way of each kind."""
    if isinstance(data, dict):
        return {**data, "title": title}
    if isinstance(data, Lobby):
        return replace(data, title=title)
    data.title = title
    return data


class TestDocument:
    async def test_new_data_may_hold_models(self, client: Client) -> None:
        lobby = await client.document(unique(), model=Lobby, data=Lobby(title="Main"))
        written = await lobby.update({"players": [Player("Bob", role=Role.HOST)], "host": None})
        assert written.players == [Player("Bob", 0, Role.HOST)]
        assert lobby.data == written

    async def test_very_many_changes_keep_what_the_model_does_not_have(
        self, client: Client
    ) -> None:
        class Open(pydantic.BaseModel, extra="allow"):
            pass

        document = await client.document(
            unique(), model=Open, data=Open.model_validate({"kept": True})
        )
        await document.update({str(n): n for n in range(1001)})
        assert document.data.model_extra == {"kept": True, **{str(n): n for n in range(1001)}}

    async def test_handles_of_one_document_have_models_of_their_own(self, client: Client) -> None:
        lobby = await client.document(unique(), model=Lobby, data=Lobby(title="Main"))
        other = await client.document(lobby.sid, model=LobbyModel)
        plain = await client.document(lobby.sid)
        events = [EventReader(each) for each in (lobby, other, plain)]
        await plain.update({"title": "New"})
        found = [(await each.next()).data for each in events]
        assert [type(each) for each in found] == [Lobby, LobbyModel, dict]

    async def test_mutate_creates_an_item_of_a_map(self, client: Client) -> None:
        cards = await client.map(model=Lobby)
        for _ in range(2):
            await cards.mutate(
                "a", lambda lobby: replace(lobby, title="2") if lobby else Lobby(title="1")
            )
        assert (await cards["a"]).data == Lobby(title="2")

    async def test_an_item_is_pickled_with_its_model(self, client: Client) -> None:
        cards = await client.map(model=Lobby)
        item = await cards.set("a", Lobby(title="Main"))
        assert pickle.loads(pickle.dumps(item)).data == Lobby(title="Main")

    async def test_a_refused_condition_carries_the_model(self, client: Client) -> None:
        lobby = await client.document(unique(), model=Lobby, data=Lobby(title="Main"))
        with pytest.raises(RevisionMismatch) as caught:
            await lobby.set(Lobby(title="x"), if_match="1")
        assert caught.value.document is not None
        assert caught.value.document.data == Lobby(title="Main")

    async def test_one_that_is_created_empty_says_what_to_do(self, client: Client) -> None:
        lobby = await client.document(unique(), model=Lobby)
        with pytest.raises(ModelMismatch, match=r"title: it is missing.*give `data`"):
            lobby.data  # noqa: B018
        assert (await lobby.set(Lobby(title="Main"))).title == "Main"

    async def test_a_contended_mutate_keeps_all(self, client: Client, rival: Client) -> None:
        lobby = await client.document(unique(), model=Lobby, data=Lobby(title=""))
        theirs = await rival.document(lobby.sid, model=LobbyStruct)

        def add(data: Lobby) -> Lobby:
            return replace(data, title=data.title + "a")

        def add_too(data: LobbyStruct) -> LobbyStruct:
            data.title += "b"
            return data

        await asyncio.gather(
            *(lobby.mutate(add) for _ in range(5)), *(theirs.mutate(add_too) for _ in range(5))
        )
        final = (await client.document(lobby.sid, mode="open_existing")).snapshot.data["title"]
        assert sorted(final) == sorted("aaaaabbbbb")

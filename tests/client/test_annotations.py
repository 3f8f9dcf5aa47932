"""What the annotations of dataclasses accept, and which classes are no models."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

import syncline
from support.api import unique
from support.models import Lobby, LobbyModel, PlayerStruct, Role
from support.server import RunningServer
from syncline import Client, InvalidRequest, ModelMismatch, UsageError
from syncline.models.unknown import keep_unknown


@dataclass
class Node:
    value: int
    children: list[Node] = field(default_factory=list)


@dataclass
class Mixed:
    both: int | str = 0
    pair: tuple[int, str] = (0, "")
    anything: Any = None
    nested: LobbyModel | PlayerStruct | None = None


class TestDataclass:
    async def test_one_may_contain_itself_and_models_of_packages(
        self, server: RunningServer, rival: Client
    ) -> None:
        tree = await rival.document(unique(), model=Node, data=Node(1, [Node(2, [Node(3)])]))
        assert tree.data == Node(1, [Node(2, [Node(3)])])
        with pytest.raises(InvalidRequest, match=r"children\[0\].value: it is a str, not an int"):
            await tree.set(Node(1, [Node("x")]))  # type: ignore[arg-type]
        circle = Node(1)
        circle.children.append(circle)
        with pytest.raises(InvalidRequest, match=r"children\[0\]: it contains itself"):
            await tree.set(circle)

        deep = Node(1)
        for _ in range(5_000):
            deep = Node(1, [deep])
        with pytest.raises(InvalidRequest, match="it is nested more than 64 deep"):
            await tree.set(deep)

        value = Mixed("x", (1, "y"), {"a": [1]}, LobbyModel(title="Main"))
        mixed = await rival.document(unique(), model=Mixed, data=value)
        assert mixed.data == value
        await mixed.set(Mixed(nested=PlayerStruct("Ann")))
        assert mixed.data.nested == PlayerStruct("Ann")

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({}, "title: it is missing"),
            ({"title": None}, "title: it is null, not a str"),
            ({"title": "x", "players": {}}, "players: it is an object, not an array"),
            ({"title": "x", "players": [5]}, r"players\[0\]: it is an int, not an object"),
            ({"title": "x", "host": 5}, "host: it is an int, not an object"),
            ({"title": "x", "host": {"name": "y", "role": "z"}}, "host.role: it is no Role"),
            ({"title": "x", "host": {"name": "y", "score": True}}, "host.score: it is a bool"),
            ({"title": "x", "mode": "ajar"}, "mode: it is none of 'open', 'closed'"),
            (
                {"title": "x", "ratings": {"a b": "c"}},
                r"ratings\['a b'\]: it is a str, not a float",
            ),
        ],
    )
    async def test_what_does_not_fit_is_named(self, rival: Client, data: Any, message: str) -> None:
        plain = await rival.document(data=data)
        lobby = await rival.document(plain.sid, model=Lobby)
        with pytest.raises(ModelMismatch, match="^" + message):
            lobby.data  # noqa: B018

    async def test_a_number_is_an_int_or_a_float_as_the_field_says(self, rival: Client) -> None:
        plain = await rival.document(
            data={"title": "x", "host": {"name": "y", "score": 3.0}, "ratings": {"a": 1}}
        )
        lobby = await rival.document(plain.sid, model=Lobby)
        assert repr(lobby.data.host) == "Player(name='y', score=3, role=<Role.GUEST: 'guest'>)"
        assert repr(lobby.data.ratings) == "{'a': 1.0}"


class TestUnusable:
    @pytest.mark.parametrize("model", [5, int, Lobby(title="x"), list[int], Role, "Lobby"])
    async def test_what_is_no_model_is_refused_at_once(self, rival: Client, model: Any) -> None:
        with pytest.raises(UsageError, match="a model is a dataclass, a TypedDict, a pydantic"):
            rival.document("x", model=model)

    async def test_a_field_that_json_does_not_have_is_refused_at_once(self, rival: Client) -> None:
        @dataclass
        class Odd:
            raw: bytes

        Odd.__annotations__["raw"] = bytes
        with pytest.raises(UsageError, match=r"model=Odd cannot be used: Odd.raw: bytes is no"):
            rival.map("x", model=Odd)


def test_the_client_needs_neither_package() -> None:
    program = (
        "import sys; sys.modules['pydantic'] = sys.modules['msgspec'] = None\n"
        "import dataclasses, syncline, syncline.model_data as m\n"
        "Lobby = dataclasses.make_dataclass('Lobby', [('title', str)])\n"
        "data = m.ModelData(Lobby)\n"
        "print(data.decode(data.encode(Lobby('x'), None)).title)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("x\n", "")


def test_generic_classes_may_be_subscripted_at_run_time() -> None:
    generic: Any
    for generic in (syncline.Document, syncline.Map, syncline.Item, syncline.Replica):
        assert generic[Lobby].__args__[0] is Lobby
    for generic in (syncline.MapEvent, syncline.ListEvent, syncline.DocumentEvent):
        assert generic[Lobby].__args__[0] == generic.__args__[0][Lobby]


class TestUnknownFields:
    @pytest.mark.parametrize(
        ("stored", "known", "written", "kept"),
        [
            ({"a": 1, "x": 2}, {"a": 1}, {"a": 3}, {"x": 2, "a": 3}),
            ({"a": 1, "x": 2}, {"a": 1, "b": 0}, {"a": 1, "b": 4}, {"x": 2, "a": 1, "b": 4}),
            # A field that the model has, and does not write now, is gone.
            ({"a": 1, "x": 2}, {"a": 1}, {}, {"x": 2}),
            ({"a": {"b": 1, "x": 2}}, {"a": {"b": 1}}, {"a": {"b": 5}}, {"a": {"x": 2, "b": 5}}),
            ({"a": {"b": 1, "x": 2}}, {"a": {"b": 1}}, {"a": None}, {"a": None}),
            # Members of an array that moved keep theirs, one that was changed does not.
            (
                [{"b": 1, "x": 1}, {"b": 2, "x": 2}, {"b": 3, "x": 3}],
                [{"b": 1}, {"b": 2}, {"b": 3}],
                [{"b": 3}, {"b": 1}, {"b": 9}],
                [{"b": 3, "x": 3}, {"b": 1, "x": 1}, {"b": 9}],
            ),
            (
                [{"b": 1, "x": 1}, {"b": 1, "x": 2}],
                [{"b": 1}, {"b": 1}],
                [{"b": 1}] * 2,
                [{"b": 1, "x": 1}, {"b": 1, "x": 2}],
            ),
        ],
    )
    def test_they_stay_where_the_model_writes_over_them(
        self, stored: Any, known: Any, written: Any, kept: Any
    ) -> None:
        assert keep_unknown(stored, known, written) == kept

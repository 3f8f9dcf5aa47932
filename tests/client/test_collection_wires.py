"""A write of a collection that is sent again over the other transport is applied once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from support.api import unique
from support.listening import EventRecorder
from support.server import RunningServer
from syncline.attempts import make_op
from syncline.dialer import AnyTransport
from syncline.rest import RestTransport
from syncline.websocket import WebSocketTransport

DATA = orjson.Fragment(b'{"n":1}')

MAP_WRITES: dict[str, dict[str, Any]] = {
    "set": {"do": "set", "key": "a", "data": DATA},
    "set a new one": {"do": "set", "key": "b", "data": DATA, "ttl": 60},
    "set conditionally": {"do": "set", "key": "b", "data": DATA, "if_match": "-1"},
    "add": {"do": "add", "key": "b", "data": DATA, "ttl": 60, "collection_ttl": 600},
    "merge": {"do": "patch", "key": "a", "merge": {"m": 1}},
    "increment": {"do": "patch", "key": "a", "increment": {"/n": 1}, "ttl": 60},
    "ttl": {"do": "ttl", "key": "a", "ttl": 60},
    "remove": {"do": "remove", "key": "a"},
    "batch": {
        "do": "batch",
        "operations": [{"op": "put", "key": "b", "data": DATA}, {"op": "remove", "key": "a"}],
    },
    "expiry of the whole": {"do": "ttl_collection", "ttl": 60},
    "remove the whole": {"do": "remove_collection"},
}

LIST_WRITES: dict[str, dict[str, Any]] = {
    "append": {"do": "add", "data": DATA},
    "set": {"do": "set", "index": 0, "data": DATA},
    "remove": {"do": "remove", "index": 0},
    "batch": {"do": "batch", "operations": [{"op": "add", "data": DATA}]},
}


@pytest.fixture
async def transports(server: RunningServer) -> AsyncIterator[dict[str, AnyTransport]]:
    token, ignore = server.token("alice"), EventRecorder()
    socket = await WebSocketTransport.open(
        server.url.replace("http", "ws") + "/v1/ws", token, 10, ignore
    )
    rest = await RestTransport.open(server.url, token, 10, ignore)
    yield {"websocket": socket, "rest": rest}
    await socket.close()
    await rest.close()


async def ask(transport: AnyTransport, **request: Any) -> Any:
    return await transport.request(request, lambda ok: ok)


@pytest.mark.parametrize("first", ["websocket", "rest"])
@pytest.mark.parametrize(
    ("type_", "write"),
    [("map", name) for name in MAP_WRITES] + [("list", name) for name in LIST_WRITES],
)
async def test_it_is_applied_once(
    transports: dict[str, AnyTransport], first: str, type_: str, write: str
) -> None:
    socket, rest = transports["websocket"], transports["rest"]
    one, other = (socket, rest) if first == "websocket" else (rest, socket)
    opened = await ask(socket, do="open", **{type_: unique()}, op=make_op())
    sid = opened[type_]["sid"]
    key = {"key": "a"} if type_ == "map" else {}
    await ask(socket, do="add", **{type_: sid}, **key, data={"n": 0}, op=make_op())
    request = {
        **(MAP_WRITES if type_ == "map" else LIST_WRITES)[write],
        type_: sid,
        "op": make_op(),
    }
    written = await ask(one, **request)
    if write == "remove the whole":
        await ask(other, **request)
        return
    before = await ask(socket, do="items", **{type_: sid})
    again = await ask(other, **request)
    after = await ask(socket, do="items", **{type_: sid})
    assert after == before
    for reply in (written, again):
        revision = reply[type_].get("revision")
        assert revision in (None, "0", after[type_]["revision"])


async def test_a_message_is_published_once(transports: dict[str, AnyTransport]) -> None:
    socket, rest = transports["websocket"], transports["rest"]
    opened = await ask(socket, do="open", stream=unique(), op=make_op())
    request = {"do": "publish", "stream": opened["stream"]["sid"], "data": DATA, "op": make_op()}
    assert (await ask(socket, **request))["message"] == (await ask(rest, **request))["message"]

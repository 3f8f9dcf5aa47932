"""Bad requests for items over real sockets: each is refused, and nothing is changed."""

from __future__ import annotations

from typing import Any

from support.server import RunningServer
from support.socket import native_socket

ADD = {"op": "add", "key": "a", "data": {"n": 1}}


KEY: dict[str, Any] = {"key": "k"}
DATA: dict[str, Any] = {"data": {"n": 2}}

BAD_REQUESTS: list[tuple[str, dict[str, Any], int]] = [
    ("fly", KEY, 20001),
    ("publish", DATA, 20001),
    ("set", {**KEY, **DATA, "list": "a"}, 20001),
    ("set", DATA, 20001),
    ("set", KEY, 20001),
    ("add", DATA, 20001),
    ("patch", KEY, 20001),
    ("patch", {**KEY, "merge": {}, "increment": {"/n": 1}}, 20001),
    ("ttl", {}, 20001),
    ("remove", {"index": 0}, 20001),
    ("batch", {}, 20001),
    ("set", {**DATA, "key": ""}, 54209),
    ("set", {**DATA, "key": "."}, 54209),
    ("set", {**DATA, "key": 5}, 54209),
    ("remove", {"key": None}, 54209),
    ("item", {"key": "x" * 321}, 54209),
    ("set", {**KEY, "data": None}, 54206),
    ("set", {**KEY, "data": []}, 54008),
    ("set", {**KEY, "data": "{}"}, 54008),
    ("set", {**KEY, **DATA, "ttl": -1}, 54011),
    ("set", {**KEY, **DATA, "ttl": 1.5}, 54011),
    ("set", {**KEY, **DATA, "collection_ttl": 31_536_001}, 54011),
    ("ttl", {**KEY, "ttl": None}, 54011),
    ("set", {**KEY, **DATA, "if_match": 5}, 54003),
    ("set", {**KEY, **DATA, "if_match": "*"}, 54003),
    ("remove", {**KEY, "if_match": "-1"}, 54003),
    ("remove_collection", {"if_match": "5"}, 54003),
    ("ttl_collection", {"ttl": 5, "if_match": "5"}, 54003),
    ("remove", {}, 20001),
    ("remove", {"op": "an-op"}, 20001),
    ("ttl", {"ttl": 5}, 20001),
    ("remove_collection", KEY, 20001),
    ("ttl_collection", {**KEY, "ttl": 5}, 20001),
    ("set", {**KEY, **DATA, "op": ""}, 20422),
    ("set", {**KEY, **DATA, "op": "x" * 65}, 20422),
    ("patch", {**KEY, "merge": []}, 20422),
    ("patch", {**KEY, "increment": {"/n": "1"}}, 20422),
    ("patch", {**KEY, "increment": {"/x/y": 1}}, 20409),
    ("patch", {**KEY, "operations": [{"op": "remove", "path": "/no"}]}, 20409),
    ("items", {"limit": 0}, 54454),
    ("items", {"limit": 501}, 54454),
    ("items", {"order": "up"}, 54451),
    ("items", {"from": "a", "after": "b"}, 20422),
    ("items", {"keys": []}, 20422),
    ("items", {"keys": ["k"], "prefix": "k"}, 20422),
    ("items", {"prefix": ""}, 54209),
    ("open", {"revision": "x"}, 54003),
    ("batch", {"operations": []}, 20422),
    ("batch", {"operations": [ADD] * 101}, 20422),
    ("batch", {"operations": [ADD, ADD]}, 20422),
    ("batch", {"operations": [ADD, {"op": "fly", **KEY}]}, 20422),
    ("batch", {"operations": [ADD, {"op": "update", **KEY}]}, 54010),
    ("batch", {"operations": [ADD, {"op": "put", **KEY, "data": None}]}, 54206),
    ("batch", {"operations": [ADD, {"op": "put", **KEY, **DATA, "ttl": -1}]}, 54011),
    ("batch", {"operations": [ADD, {"op": "remove", "key": ""}]}, 54209),
    ("batch", {"operations": [ADD, {"op": "remove", **KEY, "colour": 1}]}, 20001),
    ("batch", {"operations": [ADD], "collection_ttl": "x"}, 54011),
]


async def test_a_bad_request_is_refused_and_changes_nothing(server: RunningServer) -> None:
    async with native_socket(server) as socket:
        sid = await socket.created("map")
        await socket.ok("set", map=sid, key="k", data={"n": 1, "x": 1})
        before = await socket.ok("items", map=sid)
        for do, members, code in BAD_REQUESTS:
            error = await socket.error(do, map=sid, **members)
            assert error["code"] == code, (do, members, error)
            assert 400 <= error["status"] < 500 and error["message"].endswith("."), error
            assert error["retry"] is False
        assert await socket.ok("items", map=sid) == before
        # The connection goes on, and nothing was opened.
        await socket.ok("set", map=sid, key="k", data={})
        await socket.ok("ping")
        assert socket.unread == []


async def test_an_empty_name_is_that_of_no_object(server: RunningServer) -> None:
    """Not a defect of the server, in a read, a write or a removal, of whatever type."""
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("get", "document", {}),
        ("set", "document", DATA),
        ("patch", "document", {"merge": {}}),
        ("open", "stream", {"mode": "open_existing"}),
        ("publish", "stream", DATA),
        ("ttl_collection", "list", {"ttl": 5}),
        ("remove_collection", "map", {}),
        ("items", "map", {}),
        ("set", "map", {**KEY, **DATA, "op": "an-op"}),
        ("batch", "map", {"operations": [ADD]}),
    ]
    async with native_socket(server) as socket:
        for do, type_, members in requests:
            error = await socket.error(do, **{type_: ""}, **members)
            assert (error["status"], error["code"]) in ((404, 54300), (400, 54302)), (do, error)

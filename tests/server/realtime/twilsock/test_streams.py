"""The v3 API for streams, through the socket and over plain HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest

from support.api import unique
from support.v3 import Call, below


async def create(call: Call, **members: Any) -> Any:
    status, made = await call("POST", "/v3/Streams", members)
    assert status == 201, made
    return made


async def test_stream_from_its_creation_to_its_end(call: Call) -> None:
    name = unique()
    made = await create(call, unique_name=name, ttl=60)
    assert re.fullmatch(r"TO[0-9a-f]{32}", made["sid"])
    assert made["links"] == {"messages": f"{made['url']}/Messages"}
    assert "revision" not in made
    assert "last_event_id" not in made
    assert await call("GET", f"/v3/Streams/{name}") == (200, made)
    status, refusal = await call("POST", "/v3/Streams", {"unique_name": name})
    assert (status, refusal["code"]) == (409, 54301)
    status, changed = await call("POST", below(made["url"]), {"ttl": 0})
    assert (status, changed["date_expires"]) == (200, None)
    assert await call("DELETE", below(made["url"])) == (204, None)
    for path, body in ((made["url"], {"ttl": 1}), (made["links"]["messages"], {"data": {}})):
        status, refusal = await call("POST", below(path), body)
        assert (status, refusal["status"], refusal["code"]) == (404, 404, 54300)


async def test_message(call: Call) -> None:
    messages = below((await create(call))["links"]["messages"])
    request_id = unique("RQ")
    first, again = [
        await call("POST", messages, {"data": {"n": 1}}, Twilio_Request_Id=request_id)
        for _ in range(2)
    ]
    assert first == again
    assert first[0] == 201
    assert re.fullmatch(r"TZ[0-9a-f]{32}", first[1]["sid"])
    assert (await call("GET", messages))[1]["code"] == 20004


@pytest.mark.parametrize(
    ("members", "status", "code"),
    [
        ({}, 400, 54251),
        ({"data": None}, 400, 54251),
        ({"data": [1]}, 400, 54008),
        ({"data": {"s": "x" * 4_096}}, 413, 54006),
    ],
)
async def test_bad_message(call: Call, members: Any, status: int, code: int) -> None:
    messages = below((await create(call))["links"]["messages"])
    refused = await call("POST", messages, members)
    assert (refused[0], refused[1]["status"], refused[1]["code"]) == (status, status, code)

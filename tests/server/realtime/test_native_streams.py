"""Streams that are open over real sockets (docs/protocol.md, section 5)."""

from __future__ import annotations

from typing import Any

from support.server import RunningServer
from support.socket import native_socket, slow_socket

SMALL_QUEUE = ("--waiting-messages=5", "--output-mark=16384", "--waiting-items=20")


async def test_messages_reach_those_who_have_the_stream_open(server: RunningServer) -> None:
    async with (
        native_socket(server) as reader,
        native_socket(server, server.token("bob")) as publisher,
    ):
        sid = await reader.created("stream")
        ok = await reader.ok("open", stream=sid)
        assert ok.keys() == {"created", "stream"}
        sent = [await publisher.ok("publish", stream=sid, data={"n": n}) for n in range(20)]
        events = [await reader.event() for _ in range(20)]
        await reader.ok("unsubscribe", stream=sid)
        await publisher.ok("publish", stream=sid, data={})
        await reader.ok("ping")
        assert reader.unread == publisher.unread == []

    assert [event["message"]["sid"] for event in events] == [
        each["message"]["sid"] for each in sent
    ]
    assert [event["message"]["data"]["n"] for event in events] == list(range(20))
    assert events[0]["event"] == "message"
    assert events[0]["stream"] == {"sid": sid}
    assert events[0]["message"]["created_by"] == "bob"


async def test_the_reply_comes_before_the_own_message(server: RunningServer) -> None:
    async with native_socket(server) as socket:
        sid = await socket.created("stream")
        await socket.ok("open", stream=sid)
        for n in range(50):
            await socket.send("publish", stream=sid, data={"n": n})
        messages = [await socket.receive() for _ in range(100)]

    replied: list[str] = []
    received: list[str] = []
    for message in messages:
        if "id" in message:
            replied.append(message["ok"]["message"]["sid"])
        else:
            received.append(message["message"]["sid"])
            assert received[-1] in replied
    assert received == replied


async def test_a_slow_reader_is_given_the_number_of_what_it_missed(shared_server: Any) -> None:
    server: RunningServer = shared_server(*SMALL_QUEUE)
    async with native_socket(server) as publisher, slow_socket(server) as reader:
        sid = await publisher.created("stream")
        await reader.ok("open", stream=sid)
        data = {"filler": "x" * 4000}
        for n in range(0, 3000, 100):
            sent = [
                await publisher.send("publish", stream=sid, data={**data, "n": m})
                for m in range(n, n + 100)
            ]
            assert "ok" in await publisher.reply(sent[-1])
        expected, missed = 0, 0
        while expected < 3000:
            event = await reader.event()
            if event["event"] == "missed":
                assert event["stream"] == {"sid": sid}
                missed += event["count"]
                expected += event["count"]
            else:
                assert event["message"]["data"]["n"] == expected
                expected += 1

    assert missed


async def test_the_expiry_and_the_removal_of_a_stream(server: RunningServer) -> None:
    async with native_socket(server) as reader, native_socket(server) as owner:
        sid = await owner.created("stream")
        await reader.ok("open", stream=sid)
        await owner.ok("ttl", stream=sid, ttl=60)
        await owner.ok("remove", stream=sid)
        expiry, removed = await reader.event(), await reader.event()

    assert expiry["event"] == "expiry" and expiry["stream"]["date_expires"] is not None
    assert removed["event"] == "removed" and removed["stream"]["sid"] == sid

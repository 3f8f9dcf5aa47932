"""Compressed messages (RFC 7692), agreed upon in the handshake."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from support.api import unique
from support.server import RunningServer, StartSharedServer
from support.socket import NativeSocket, native_socket

TEXT = "grüße " * 1000


@pytest.fixture
def deflating(shared_server: StartSharedServer) -> RunningServer:
    return shared_server("--deflate")


def agreed(socket: NativeSocket) -> bool:
    return bool(socket.connection.protocol.extensions)


async def test_events_and_requests_may_be_compressed_either_way(
    deflating: RunningServer,
) -> None:
    name = unique()
    async with (
        native_socket(deflating) as one,
        native_socket(deflating, compression=None) as two,
    ):
        assert (agreed(one), agreed(two)) == (True, False)
        for socket in (one, two):
            await socket.ok("open", document=name)
        for n in range(5):
            for writer in (one, two):
                data = {"n": n, "text": TEXT}
                await writer.ok("set", document=name, data=data)
                for socket in (one, two):
                    event = await socket.event()
                    assert event["document"]["data"] == data


async def test_the_fragments_of_a_compressed_message_are_put_together(
    deflating: RunningServer,
) -> None:
    async with native_socket(deflating) as socket:
        message = [
            '{"id":77,"do":"open",',
            f'"document":"{unique()}",',
            f'"data":{{"a":"{TEXT}"}}}}',
        ]
        await socket.connection.send(message)
        assert "ok" in await socket.reply(77)
        assert await socket.ok("ping") == {}


@pytest.mark.parametrize(
    ("offer", "is_agreed"),
    [
        ({}, True),
        ({"client_max_window_bits": 10}, True),
        ({"client_no_context_takeover": True, "server_no_context_takeover": True}, True),
        ({"server_max_window_bits": 10}, False),
    ],
)
async def test_frames_that_all_share_need_the_largest_window(
    deflating: RunningServer, offer: dict[str, Any], is_agreed: bool
) -> None:
    extensions = [ClientPerMessageDeflateFactory(**offer)]
    async with native_socket(deflating, compression=None, extensions=extensions) as socket:
        assert agreed(socket) == is_agreed
        data = {"text": TEXT}
        await socket.ok("open", document="shared", data=data)
        document = await socket.document("get", document="shared")
        assert document["data"] == data


async def test_by_default_nothing_is_compressed(server: RunningServer) -> None:
    async with native_socket(server) as socket:
        assert not agreed(socket)

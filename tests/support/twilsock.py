"""A Twilsock client that sends the frames of the vendor's SDKs, from notes about their wire."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from support.server import RunningServer
from support.socket import WAIT
from syncline_protocol import twilsock
from syncline_protocol.twilsock import Packet

__all__ = ["DIALECTS", "Dialect", "TwilsockClient", "javascript", "kotlin", "twilsock_client"]

Members = dict[str, Any]

Dialect = Callable[[Mapping[str, Any], bytes], bytes]
"""Encodes a header and a payload as a frame."""


def javascript(header: Mapping[str, Any], payload: bytes = b"") -> bytes:
    """Frame of the JavaScript SDK: `payload_size` is always present, the payload ends the frame."""
    text = orjson.dumps({**header, "payload_size": len(payload)})
    return b"TWILSOCK V3.0 %d\r\n%b\r\n%b" % (len(text), text, payload)


def kotlin(header: Mapping[str, Any], payload: bytes = b"") -> bytes:
    """Frame of the Kotlin SDK.

    `payload_size` is present only with a payload; then a CRLF follows that is not counted in it.
    """
    described = dict(header)
    if payload:
        described |= {"payload_size": len(payload), "payload_type": "application/json"}
    request = described.get("http_request")
    if isinstance(request, dict):
        arrays = {
            member: {name: [value] for name, value in request[member].items()}
            for member in ("params", "headers")
            if isinstance(request.get(member), dict)
        }
        described["http_request"] = {**request, **arrays}
    text = orjson.dumps(described)
    end = b"\r\n" if payload else b""
    return b"TWILSOCK V3.0 %d\r\n%b\r\n%b%b" % (len(text), text, payload, end)


DIALECTS: tuple[Dialect, ...] = (javascript, kotlin)


class TwilsockClient:
    """One connection; it sends and reads only when the test calls a method.

    Attributes:
        connection: the WebSocket.
        welcome: header of the reply to the last `init`; empty before.
    """

    def __init__(self, connection: ClientConnection, dialect: Dialect = javascript) -> None:
        self.connection = connection
        self.welcome: Mapping[str, Any] = {}
        self._dialect = dialect
        self._ids = (f"TM{number}" for number in itertools.count())
        self._others: list[Packet] = []
        self._replies: dict[str, Packet] = {}

    async def send(self, method: str, payload: bytes = b"", **members: Any) -> str:
        """Send a packet, and return its id."""
        packet_id = next(self._ids)
        await self.connection.send(
            self._dialect({"method": method, "id": packet_id, **members}, payload)
        )
        return packet_id

    async def receive(self) -> Packet:
        """Read the next packet, of any kind."""
        async with asyncio.timeout(WAIT):
            frame = await self.connection.recv()
        assert isinstance(frame, bytes), "an SDK takes binary frames only"
        return twilsock.decode(frame)

    async def reply(self, packet_id: str) -> Packet:
        """The reply with this id; other packets that arrive before it are kept."""
        while packet_id not in self._replies:
            await self._sort()
        return self._replies.pop(packet_id)

    async def other(self, method: str) -> Packet:
        """The next packet that is not a reply; its method must be `method`."""
        while not self._others:
            await self._sort()
        packet = self._others.pop(0)
        assert packet.method == method, packet
        return packet

    async def event(self) -> Any:
        """The payload of the next notification; sends the reply that the SDKs send."""
        packet = await self.other("notification")
        await self.connection.send(
            self._dialect(
                {"method": "reply", "id": packet.id, "status": {"code": 200, "status": "OK"}}, b""
            )
        )
        return orjson.loads(packet.payload)

    @property
    def unread(self) -> list[Packet]:
        """Packets, other than replies, that were received but not yet returned."""
        return list(self._others)

    async def ask(self, method: str, **members: Any) -> Mapping[str, Any]:
        """Send a packet, and return the header of its reply."""
        return (await self.reply(await self.send(method, **members))).header

    async def init(self, token: str, **members: Any) -> Mapping[str, Any]:
        """Send `init` with all capabilities."""
        capabilities = ["client_update", "offline_storage", "telemetry.v1", "account_descriptor"]
        given = {"token": token, "capabilities": capabilities, **members}
        self.welcome = await self.ask("init", **given)
        return self.welcome

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        payload: bytes | None = None,
        host: str = "cds.us1.example.com",
        **headers: str,
    ) -> tuple[int, Any]:
        """Send an HTTP request through the socket.

        Args:
            path: percent-encoded, with the query.
            body: sent as JSON; None sends no body.
            payload: raw body, sent instead of `body`.
            headers: `_` in names becomes `-`, as in `If_Match`.

        Returns:
            the status, and the parsed body; None for none.
        """
        path, _, query = path.partition("?")
        # The SDKs take the query apart as it is, percent-encoded.
        params = dict(pair.split("=", 1) for pair in query.split("&") if pair)
        packet_id = await self.send(
            "message",
            (b"" if body is None else orjson.dumps(body)) if payload is None else payload,
            active_grant="data_sync",
            http_request={
                "host": host,
                "path": path,
                "method": method,
                "params": params,
                "headers": {name.replace("_", "-"): value for name, value in headers.items()},
            },
        )
        reply = await self.reply(packet_id)
        assert reply.header["status"] == {"code": 200, "status": "OK"}
        parsed = orjson.loads(reply.payload) if reply.payload else None
        return reply.header["http_status"]["code"], parsed

    async def subscribe(
        self, action: str, correlation_id: int, *requests: Members, version: int | None = 4
    ) -> Any:
        """Establish or cancel subscriptions; return the receipt. `version` None omits it."""
        status, receipt = await self.call(
            "POST",
            "/v4/Subscriptions",
            ({} if version is None else {"event_protocol_version": version})
            | {
                "action": action,
                "correlation_id": correlation_id,
                "requests": list(requests),
            },
        )
        assert status == 200, receipt
        return receipt

    async def closed(self) -> tuple[Packet | None, int]:
        """Read to the end; return the packet `close`, None without one, and the close code."""
        last = None
        try:
            while True:
                packet = await self.receive()
                last = packet if packet.method == "close" else last
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return last, closed.rcvd.code

    async def _sort(self) -> None:
        packet = await self.receive()
        if packet.method == "reply":
            assert packet.id not in self._replies, "one packet was answered twice"
            self._replies[packet.id] = packet
        else:
            self._others.append(packet)


@asynccontextmanager
async def twilsock_client(
    server: RunningServer,
    token: str | None = None,
    *,
    dialect: Dialect = javascript,
    init: bool = True,
    **options: Any,
) -> AsyncIterator[TwilsockClient]:
    """Open a connection to a server.

    Args:
        token: access token; None makes one for `alice`.
        init: False leaves `init` to the test.
        options: options of `connect` of `websockets`.
    """
    url = f"{server.url.replace('http', 'ws', 1)}/v3/wsconnect"
    async with connect(url, max_size=None, max_queue=None, **options) as connection:
        client = TwilsockClient(connection, dialect)
        if init:
            welcome = await client.init(token or server.token())
            assert welcome["status"]["code"] == 200, welcome
        yield client

"""A simulated SDK of the vendor: a subscriber on Twilsock, as the wire has it."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from syncline import ConnectionLost, JsonObject
from syncline_protocol import twilsock
from syncline_protocol.errors import Code
from syncline_protocol.twilsock import MalformedFrame, Packet

from .client import BACKOFF_LIMIT, OPEN_TIMEOUT, KnownState
from .history import History
from .sight import Sight

__all__ = ["TwilsockSubscriber"]

PATH = "/v3/wsconnect"

SUBSCRIPTIONS = "/v4/Subscriptions"

EVENT_PROTOCOL = 4

ANSWER_TIMEOUT = 2.0
"""Seconds after which a subscription without an outcome is asked for again."""

MESSAGE_LIMIT = 4 * 2**20
"""Bytes in a message of the server, at most."""

CLOSE_TIMEOUT = 1.0


class TwilsockSubscriber:
    """It connects again after a break, and says then what it holds; it writes nothing.

    Attributes:
        sight: what it sees.
    """

    def __init__(
        self,
        name: str,
        url: str,
        token: Callable[[], str],
        history: History,
        *,
        on_change: Callable[[], None],
    ) -> None:
        """`url`: of the link."""
        self.name = name
        self.sight = Sight(name, history, on_change)
        self._url = url.replace("http", "ws", 1) + PATH
        self._token = token
        self._ids = itertools.count(1)
        self._known: dict[str, KnownState] = {}
        self._replayed: dict[str, KnownState] = {}
        self._waiting: dict[str, asyncio.Event] = {}
        self._socket: ClientConnection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._resuming: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect; raises `ConnectionLost`."""
        socket = await self._dial()
        self._keeper = asyncio.create_task(self._keep_open(socket))

    async def close(self) -> None:
        """End the connection permanently."""
        tasks = [task for task in (self._keeper, self._resuming) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()

    async def subscribe(self, document: str) -> None:
        """Subscribe; returns when that is done, or the document is gone."""
        outcome = self._waiting.setdefault(document, asyncio.Event())
        while not outcome.is_set():
            await self._request_subscription(document)
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await outcome.wait()
            except TimeoutError:
                pass  # what can succeed later has no outcome

    async def _dial(self) -> ClientConnection:
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                socket = await connect(
                    self._url,
                    open_timeout=None,
                    close_timeout=CLOSE_TIMEOUT,
                    max_size=MESSAGE_LIMIT,
                )
                await self._introduce(socket)
        except (OSError, InvalidHandshake, ConnectionClosed, MalformedFrame) as error:
            raise ConnectionLost(f"no Twilsock at {self._url}: {error!r}") from error
        return socket

    async def _introduce(self, socket: ClientConnection) -> None:
        header = {"token": self._token(), "capabilities": ["client_update"]}
        await socket.send(self._packet("init", header))
        reply = twilsock.decode(await _receive(socket))
        status = reply.header.get("status", {})
        if status.get("code") != 200:
            await socket.close()
            raise ConnectionLost(f"Twilsock refused: {status}")

    async def _keep_open(self, socket: ClientConnection) -> None:
        while True:
            self._socket = socket
            self.sight.connect()
            self._resuming = asyncio.create_task(self._resume())
            try:
                while True:
                    await self._handle_packet(socket, twilsock.decode(await _receive(socket)))
            except ConnectionClosed as closed:
                self._resuming.cancel()
                self.sight.lose(closed, final=False)
            except Exception as error:
                self.sight.lose(error, final=True)
                raise
            socket = await self._dial_again()

    async def _dial_again(self) -> ClientConnection:
        while True:
            await asyncio.sleep(random.uniform(0, BACKOFF_LIMIT))
            try:
                return await self._dial()
            except ConnectionLost:
                continue

    async def _resume(self) -> None:
        for document in self._known:
            self._waiting[document] = asyncio.Event()
        await asyncio.gather(*map(self.subscribe, list(self._known)))

    async def _request_subscription(self, document: str) -> None:
        known = self._known.get(document)
        wanted: JsonObject = {"object_sid": document, "object_type": "document"}
        if known is not None:
            wanted["last_event_id"] = known.revision
        request = {"method": "POST", "host": "sync", "path": SUBSCRIPTIONS, "headers": {}}
        body = {
            "event_protocol_version": EVENT_PROTOCOL,
            "action": "establish",
            "correlation_id": next(self._ids),
            "requests": [wanted],
        }
        header = {"active_grant": "data_sync", "http_request": request}
        await self._send(self._packet("message", header, orjson.dumps(body)))

    async def _send(self, packet: bytes) -> None:
        try:
            if self._socket is not None:
                await self._socket.send(packet)
        except ConnectionClosed:
            pass  # the reader notices it too

    def _packet(self, method: str, header: JsonObject, payload: bytes = b"") -> bytes:
        return twilsock.encode({"method": method, "id": str(next(self._ids)), **header}, payload)

    async def _handle_packet(self, socket: ClientConnection, packet: Packet) -> None:
        if packet.method == "notification":
            self._handle_event(orjson.loads(packet.payload))
        if packet.method in ("notification", "ping"):
            await self._send(twilsock.encode_reply(packet.id))

    def _handle_event(self, body: JsonObject) -> None:
        match body["event_type"]:
            case "document_updated":
                self._updated(body["event"], is_replay="correlation_id" in body)
            case "document_removed":
                document = body["event"]["document_sid"]
                if self._known.pop(document, None) is not None:
                    self.sight.remove(document, int(body["event"]["id"]), None)
            case "subscription_established":
                for each in body["events"]:
                    self._established(each["object_sid"])
            case "subscription_failed":
                for each in body["events"]:
                    self._failed(each["object_sid"], each["error"])

    def _updated(self, event: Any, *, is_replay: bool) -> None:
        document = event["document_sid"]
        latest = KnownState(int(event["document_revision"]), event["document_data"])
        if is_replay:
            self._replayed[document] = latest
        elif document in self._known:
            self._known[document] = latest
            self.sight.update(document, latest.revision, latest.data)

    def _established(self, document: str) -> None:
        state = self._replayed.pop(document, None) or self._known.get(document)
        if state is not None:
            self._known[document] = state
            self.sight.open(document, state.revision, state.data)
        self._end_waiting(document)

    def _failed(self, document: str, error: Any) -> None:
        if error["code"] in (Code.DOCUMENT_NOT_FOUND, Code.NAME_NOT_FOUND):
            self._known.pop(document, None)
            self.sight.miss(document)
            self._end_waiting(document)

    def _end_waiting(self, document: str) -> None:
        outcome = self._waiting.pop(document, None)
        if outcome is not None:
            outcome.set()


async def _receive(socket: ClientConnection) -> bytes:
    message = await socket.recv()
    return message.encode() if isinstance(message, str) else message

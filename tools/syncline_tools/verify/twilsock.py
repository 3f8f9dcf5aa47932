"""A simulated SDK of the vendor: a subscriber on Twilsock, as the wire has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from syncline import JsonObject
from syncline_protocol.errors import Code
from syncline_protocol.twilsock import Packet

from .client import KnownState
from .history import History
from .sight import Sight
from .twilsock_socket import ANSWER_TIMEOUT, EVENT_PROTOCOL, SUBSCRIPTIONS, TwilsockSocket

__all__ = ["TwilsockSubscriber"]


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
        self._known: dict[str, KnownState] = {}
        self._replayed: dict[str, KnownState] = {}
        self._waiting: dict[str, asyncio.Event] = {}
        self._resuming: asyncio.Task[None] | None = None
        self._socket = TwilsockSocket(
            url,
            token,
            on_connect=self._on_connect,
            on_lose=self._on_lose,
            on_packet=self._on_packet,
        )

    async def open(self) -> None:
        """Connect; raises `ConnectionLost`."""
        await self._socket.open()

    async def close(self) -> None:
        """End the connection permanently."""
        if self._resuming is not None:
            self._resuming.cancel()
            await asyncio.gather(self._resuming, return_exceptions=True)
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

    def _on_connect(self) -> None:
        self.sight.connect()
        self._resuming = asyncio.create_task(self._resume())

    def _on_lose(self, reason: Exception, final: bool) -> None:
        if self._resuming is not None:
            self._resuming.cancel()
        self.sight.lose(reason, final=final)

    async def _resume(self) -> None:
        for document in self._known:
            self._waiting[document] = asyncio.Event()
        await asyncio.gather(*map(self.subscribe, list(self._known)))

    async def _request_subscription(self, document: str) -> None:
        known = self._known.get(document)
        wanted: JsonObject = {"object_sid": document, "object_type": "document"}
        if known is not None:
            wanted["last_event_id"] = known.revision
        body = {
            "event_protocol_version": EVENT_PROTOCOL,
            "action": "establish",
            "correlation_id": self._socket.number(),
            "requests": [wanted],
        }
        await self._socket.send("POST", SUBSCRIPTIONS, orjson.dumps(body), host="sync")

    def _on_packet(self, packet: Packet) -> None:
        if packet.method == "notification":
            self._handle_event(orjson.loads(packet.payload))

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

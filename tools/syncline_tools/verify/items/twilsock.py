"""A client that observes and writes items over Twilsock as the vendor's SDKs, through one link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson

from syncline import JsonObject
from syncline_protocol.errors import Code
from syncline_protocol.twilsock import Packet
from syncline_tools.verify.client import REQUEST_TIMEOUT
from syncline_tools.verify.twilsock_socket import (
    ANSWER_TIMEOUT,
    EVENT_PROTOCOL,
    SUBSCRIPTIONS,
    TwilsockSocket,
)

from .collection import LIST, MAP, STREAM, Collection
from .operation import Operation, Refused, Reply
from .records import state_of
from .rest import RETRY_PAUSE
from .sight import ItemSight
from .vendor_changes import VendorTopic, changes_of
from .vendor_requests import (
    Request,
    is_success,
    may_succeed_later,
    path_of,
    reply_of,
    request_of,
)

__all__ = ["TwilsockClient"]

ITEMS_LIMIT = 100
"""Items that come with a collection, at most: more than one of a run has."""

_GONE = (Code.LIST_NOT_FOUND, Code.MAP_NOT_FOUND, Code.STREAM_NOT_FOUND, Code.NAME_NOT_FOUND)


class TwilsockClient:
    """An `ItemObserver` and a `Sender` on one connection, so that promise 4 can be judged."""

    receives_events = True
    can_batch = False
    types = frozenset({LIST, MAP, STREAM})

    def __init__(
        self, url: str, service: str, token: Callable[[], str], *, sight: ItemSight
    ) -> None:
        """`url`: of the link."""
        self.sight = sight
        self._topics: dict[str, VendorTopic] = {}
        self._connected = asyncio.Event()
        self._break: asyncio.Future[None] = asyncio.Future()
        self._replies: dict[str, Callable[[int, JsonObject], None]] = {}
        self._socket = TwilsockSocket(
            url,
            token,
            on_connect=self._on_connect,
            on_lose=self._on_lose,
            on_packet=self._on_packet,
            capabilities=("client_update", "account_descriptor"),
        )

    @property
    def connection(self) -> int | None:
        """As of `Sender`."""
        return self.sight.connection if self.sight.is_connected else None

    async def open(self) -> None:
        """As of `ItemObserver`; raises `ConnectionLost`."""
        await self._socket.open()

    async def close(self) -> None:
        """As of `ItemObserver`."""
        works = [topic.work for topic in self._topics.values() if topic.work is not None]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        await self._socket.close()

    async def follow(self, collection: Collection) -> None:
        """As of `ItemObserver`."""
        topic = self._topics[collection.sid] = VendorTopic(collection=collection)
        self._subscribe(topic)
        await topic.established.wait()

    async def try_replay(self, collection: Collection) -> None:
        """As of `ItemObserver`: nothing. It resumes after each break."""

    async def send(
        self,
        op: str,
        collection: Collection,
        operations: list[Operation],
        receive: Callable[[Reply], None],
    ) -> None:
        """As of `Sender`."""
        (operation,) = operations
        is_resent = False

        def take(status: int, body: JsonObject) -> None:
            # Also where the wait for it has ended: the echo of a removal follows.
            if is_success(status):
                reply = replace(reply_of(collection, operation, body), is_resent=is_resent)
                self._remember(collection, operation, reply)
                receive(reply)

        request = request_of(collection, operation, op)
        while True:
            status, body = await self._call(request, take)
            if is_success(status):
                return
            if not may_succeed_later(status):
                newest = self.sight.known(collection.sid, operation.key or "")
                raise Refused(int(body.get("code", status)), newest, str(body))
            is_resent = True
            await asyncio.sleep(RETRY_PAUSE)

    async def _call(
        self, request: Request, take: Callable[[int, JsonObject], None] = lambda *_: None
    ) -> tuple[int, JsonObject]:
        """Send a request until it has a reply, of any status; `take` is called with each reply."""
        answer: asyncio.Future[tuple[int, JsonObject]] = asyncio.get_running_loop().create_future()

        def take_first(status: int, body: JsonObject) -> None:
            take(status, body)
            if not answer.done():
                answer.set_result((status, body))

        while not answer.done():
            await self._connected.wait()
            packet_id = str(self._socket.number())
            self._replies[packet_id] = take_first
            await self._socket.send(
                request.method,
                request.path,
                b"" if request.body is None else orjson.dumps(request.body),
                packet_id=packet_id,
                params=request.params,
                headers=request.headers,
            )
            ends: set[asyncio.Future[Any]] = {answer, self._break}
            await asyncio.wait(ends, timeout=REQUEST_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        return answer.result()

    def _remember(self, collection: Collection, operation: Operation, reply: Reply) -> None:
        topic, (revision,) = self._topics.get(collection.sid), reply.revisions
        if topic is not None and operation.do == "remove" and revision is not None:
            topic.removed[revision] = operation.key or ""

    def _on_connect(self) -> None:
        self.sight.connect()
        self._break = asyncio.get_running_loop().create_future()
        self._connected.set()
        for topic in self._topics.values():
            self._subscribe(topic)

    def _on_lose(self, reason: Exception, _is_final: bool) -> None:
        self._connected.clear()
        self._replies.clear()
        self._break.set_result(None)
        self.sight.lose(str(reason))

    def _on_packet(self, packet: Packet) -> None:
        if packet.method == "notification":
            self._handle_event(orjson.loads(packet.payload))
        elif packet.method == "reply" and (take := self._replies.pop(packet.id, None)) is not None:
            status = packet.header.get("http_status", packet.header["status"])["code"]
            take(int(status), orjson.loads(packet.payload) if packet.payload else {})

    def _subscribe(self, topic: VendorTopic) -> None:
        """Subscribe, from what the client has on."""
        if topic.work is not None:
            topic.work.cancel()
        topic.missed.clear()
        topic.established.clear()
        topic.work = asyncio.create_task(self._establish(topic))

    async def _establish(self, topic: VendorTopic) -> None:
        if topic.revision is None and topic.collection.type != STREAM:
            if not await self._read_all(topic):
                topic.established.set()
                return
        while not topic.established.is_set():
            await self._connected.wait()
            await self._request_subscription(topic)
            with suppress(TimeoutError):  # what can succeed later has no outcome
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await topic.established.wait()

    async def _request_subscription(self, topic: VendorTopic) -> None:
        at = topic.collection
        wanted: JsonObject = {"object_sid": at.sid, "object_type": at.type}
        if topic.revision is not None:
            wanted["last_event_id"] = topic.revision
        body = {
            "event_protocol_version": EVENT_PROTOCOL,
            "action": "establish",
            "correlation_id": self._socket.number(),
            "requests": [wanted],
        }
        await self._socket.send("POST", SUBSCRIPTIONS, orjson.dumps(body), host="sync")

    async def _read_all(self, topic: VendorTopic) -> bool:
        """Make a copy; False if the collection is gone."""
        at = topic.collection
        # At one moment: with pages, an item that was created and removed since would stay.
        request = Request("GET", path_of(at), params={"Include": "items"})
        while True:
            began = self.sight.now()
            status, body = await self._call(request)
            if status == HTTPStatus.NOT_FOUND:
                return False
            if is_success(status):
                break
            await asyncio.sleep(RETRY_PAUSE)
        topic.revision = int(body["last_event_id"])
        states = [
            state_of(str(each[at.id_name]), int(each["revision"]), each["data"])
            for each in body["items"]
        ]
        assert len(states) < ITEMS_LIMIT, "a collection of a run has fewer items"
        self.sight.open(at.sid, began, topic.revision, states)
        return True

    def _handle_event(self, body: JsonObject) -> None:
        event_type = body["event_type"]
        if event_type.startswith("subscription_"):
            for each in body["events"]:
                if (topic := self._topics.get(each["object_sid"])) is not None:
                    self._take_outcome(topic, event_type, each)
            return
        event = body["event"]
        type_, _, what = event_type.partition("_")
        topic = self._topics.get(event[f"{type_}_sid"])
        if topic is None:
            return
        if what == "message_published":
            self.sight.receive(topic.collection.sid, event["message_data"].get("w"))
        elif what == "removed":
            self._end(topic, int(event["id"]))
        elif topic.revision is not None:
            self._take_change(topic, what, event, is_missed="correlation_id" in body)

    def _take_change(
        self, topic: VendorTopic, what: str, event: JsonObject, *, is_missed: bool
    ) -> None:
        revision, known = int(event["id"]), topic.revision
        assert known is not None
        changes = changes_of(topic, what, event)
        if is_missed:
            topic.missed += changes
        else:
            self.sight.change(topic.collection.sid, revision, known, changes)
            topic.revision = max(known, revision)

    def _take_outcome(self, topic: VendorTopic, outcome: str, event: JsonObject) -> None:
        at = topic.collection
        if outcome == "subscription_failed":
            if event["error"]["code"] in _GONE:
                # Removed; or what has changed is not known any more.
                self._end(topic, topic.revision or 0)
            return
        if at.type == STREAM:
            self.sight.open(at.sid, self.sight.now(), 0, ())
            return topic.established.set()
        since, revision = topic.revision, int(event["last_event_id"])
        is_partial = event["replay_status"] == "interrupted"
        if since is None:
            return
        if revision > since:
            changes = [each for each in topic.missed if each.revision > since]
            head = revision if is_partial else None
            self.sight.replay(at.sid, since, revision, changes, is_adopted=True, head=head)
            topic.revision = revision
        topic.missed.clear()
        if is_partial:
            self._subscribe(topic)
        else:
            topic.established.set()

    def _end(self, topic: VendorTopic, revision: int) -> None:
        """Take the end of a collection; or, if it is still there, of what is known of it."""
        topic.revision = None
        topic.established.set()
        if topic.work is not None:
            topic.work.cancel()
        topic.work = asyncio.create_task(self._reopen(topic, revision))

    async def _reopen(self, topic: VendorTopic, revision: int) -> None:
        status, _ = await self._call(Request("GET", path_of(topic.collection)))
        if status == HTTPStatus.NOT_FOUND:
            return self.sight.remove(topic.collection.sid, revision, False)
        self.sight.lose("the changes since are not known")
        self.sight.connect()
        topic.established.clear()
        await self._establish(topic)

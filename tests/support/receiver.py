"""A receiver of webhooks: an HTTP server in the test's event loop that can stop and restart."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

__all__ = ["Answer", "Delivery", "Receiver", "in_order", "revisions"]

WAIT_LIMIT = 60.0
"""Seconds after which a wait fails."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A received webhook."""

    target: str
    headers: Mapping[str, str]
    form: Mapping[str, str]

    @property
    def kind(self) -> str:
        return self.form["EventType"]

    @property
    def token(self) -> str:
        """The idempotency token, which all attempts to deliver one event share."""
        return self.headers["i-twilio-idempotency-token"]

    @property
    def revision(self) -> int:
        return int(self.form["DocumentRevision"])


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to a webhook; `status` None closes the connection without a reply."""

    status: int | None = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Answering = Callable[[Delivery], Answer | Awaitable[Answer]]


class Receiver:
    """Listens within `async with`, and between `start` and `stop`.

    Attributes:
        taken: deliveries that were answered with 2xx, in order.
        came: all deliveries, in order.
        answer: function that chooses the answer; answers 200 by default.
        unsigned: deliveries whose signature the vendor's validator refused.
    """

    def __init__(self, auth_token: str = "", tls: ssl.SSLContext | None = None) -> None:
        """
        Args:
            auth_token: auth token of the account, to check signatures; "" checks none.
            tls: context for HTTPS on `localhost`; None serves HTTP on 127.0.0.1.
        """
        self.taken: list[Delivery] = []
        self.came: list[Delivery] = []
        self.unsigned: list[Delivery] = []
        self.answer: Answering = lambda _: Answer()
        self._validator = RequestValidator(auth_token) if auth_token else None
        self._tls = tls
        self._port = 0
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.StreamWriter, asyncio.Task[Any]] = {}
        self._news = asyncio.Condition()

    @property
    def url(self) -> str:
        """The URL of this receiver."""
        host = "http://127.0.0.1" if self._tls is None else "https://localhost"
        return f"{host}:{self._port}/hooks?from=test"

    async def start(self) -> None:
        """Listen; after a `stop`, on the same port as before."""
        where: dict[str, Any] = {"host": "127.0.0.1", "port": self._port, "ssl": self._tls}
        self._server = await asyncio.start_server(self._serve, **where)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break all connections and stop listening."""
        if self._server is not None:
            self._server.close()
            for writer, serving in self._serving.items():
                writer.transport.abort()
                serving.cancel()
            await asyncio.gather(*self._serving.values())
            self._server = None

    async def until(self, condition: Callable[[], object]) -> None:
        """Return when a condition holds; it is checked after each delivery."""
        async with asyncio.timeout(WAIT_LIMIT), self._news:
            await self._news.wait_for(condition)

    async def until_taken(self, count: int) -> list[Delivery]:
        """Wait until `count` events were taken; return each event once, in order."""
        await self.until(lambda: len({delivery.token for delivery in self.taken}) >= count)
        first: dict[str, Delivery] = {}
        for delivery in self.taken:
            first.setdefault(delivery.token, delivery)
        return list(first.values())

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[writer] = task
        try:
            # `stop` cancels this task: asyncio must not log that as a failure.
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._take_one(reader, writer):
                    pass
        finally:
            del self._serving[writer]
            writer.close()

    async def _take_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(_field(line) for line in head[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        form = dict(parse_qsl(body.decode(), strict_parsing=True))
        delivery = Delivery(head[0].split(" ")[1], headers, form)
        self.came.append(delivery)
        self._check(delivery)
        await self._notify_waiting()
        said = self.answer(delivery)
        answer = said if isinstance(said, Answer) else await said
        if answer.status is None:
            writer.transport.abort()
        else:
            extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
            status = f"HTTP/1.1 {answer.status} As Configured\r\n{extra}"
            writer.write(f"{status}Content-Length: {len(answer.body)}\r\n\r\n".encode())
            writer.write(answer.body)
            if 200 <= answer.status < 300:
                self.taken.append(delivery)
        await self._notify_waiting()
        return answer.status is not None

    async def _notify_waiting(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _check(self, delivery: Delivery) -> None:
        if self._validator is None:
            return
        scheme = "http" if self._tls is None else "https"
        url = f"{scheme}://{delivery.headers['host']}{delivery.target}"
        signature = delivery.headers["x-twilio-signature"]
        if not self._validator.validate(url, dict(delivery.form), signature):
            self.unsigned.append(delivery)


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


def revisions(deliveries: Iterable[Delivery]) -> dict[str, list[int]]:
    """The revisions that were delivered for each document, in order of the first delivery."""
    revisions_by_document: dict[str, list[int]] = {}
    for delivery in deliveries:
        its = revisions_by_document.setdefault(delivery.form["DocumentSid"], [])
        if delivery.revision not in its:
            its.append(delivery.revision)
    return revisions_by_document


def in_order(deliveries: Iterable[Delivery]) -> bool:
    """True if the events of each document arrived in revision order, repetitions aside."""
    return all(its == sorted(its) for its in revisions(deliveries).values())

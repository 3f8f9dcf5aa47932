"""A real receiver of webhooks: a server in the test's own loop, which can go away and return."""

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

PATIENCE = 60.0
"""Seconds after which something that is waited for is held to have failed."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as it came."""

    target: str
    headers: Mapping[str, str]
    form: Mapping[str, str]

    @property
    def kind(self) -> str:
        return self.form["EventType"]

    @property
    def token(self) -> str:
        """What each attempt to deliver one event has in common."""
        return self.headers["i-twilio-idempotency-token"]

    @property
    def revision(self) -> int:
        return int(self.form["DocumentRevision"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver says: nothing at all, where `status` is None."""

    status: int | None = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Answering = Callable[[Delivery], Answer | Awaitable[Answer]]


class Receiver:
    """Listens while it is entered, and between `start` and `stop`.

    Attributes:
        taken: what was answered with 2xx, in order.
        came: everything that came, in order.
        answer: says what to answer; 200 by itself.
        unsigned: deliveries whose signature the vendor's validator did not accept.
    """

    def __init__(self, auth_token: str = "", tls: ssl.SSLContext | None = None) -> None:
        """
        Args:
            auth_token: of the account, to check signatures; "" checks none.
            tls: to be reached by https, as localhost; None for http.
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
        """Where webhooks are to be sent."""
        host = "http://127.0.0.1" if self._tls is None else "https://localhost"
        return f"{host}:{self._port}/hooks?from=test"

    async def start(self) -> None:
        """Listen, on the same port as before."""
        where: dict[str, Any] = {"host": "127.0.0.1", "port": self._port, "ssl": self._tls}
        self._server = await asyncio.start_server(self._serve, **where)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break all connections, and take no more."""
        if self._server is not None:
            self._server.close()
            for writer, serving in self._serving.items():
                writer.transport.abort()
                serving.cancel()
            await asyncio.gather(*self._serving.values())
            self._server = None

    async def until(self, condition: Callable[[], object]) -> None:
        """Return when a condition holds that deliveries bring about."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(condition)

    async def until_taken(self, count: int) -> list[Delivery]:
        """The first so many that were taken, each event once."""
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
            # Ended by `stop`, it must not tell asyncio of a failure.
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
        await self._tell()
        said = self.answer(delivery)
        answer = said if isinstance(said, Answer) else await said
        if answer.status is None:
            writer.transport.abort()
        else:
            extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
            status = f"HTTP/1.1 {answer.status} As Told\r\n{extra}"
            writer.write(f"{status}Content-Length: {len(answer.body)}\r\n\r\n".encode())
            writer.write(answer.body)
            if 200 <= answer.status < 300:
                self.taken.append(delivery)
        await self._tell()
        return answer.status is not None

    async def _tell(self) -> None:
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
    """What was told of each document, in the order in which it first came."""
    told: dict[str, list[int]] = {}
    for delivery in deliveries:
        its = told.setdefault(delivery.form["DocumentSid"], [])
        if delivery.revision not in its:
            its.append(delivery.revision)
    return told


def in_order(deliveries: Iterable[Delivery]) -> bool:
    """True if no event of a document came after a later one; repetitions do not count."""
    return all(its == sorted(its) for its in revisions(deliveries).values())

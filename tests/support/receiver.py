"""A receiver of webhooks that can stop and restart; its answers come from the test's event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

from support.http import Ask, HttpServer, Reply
from support.limits import WAIT_LIMIT

__all__ = ["Answer", "Delivery", "Receiver", "in_order", "revisions"]


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
        taken: deliveries that are answered with 2xx, in order.
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
        self._server: HttpServer | None = None
        self._unsent: list[Delivery] = []
        self._news = asyncio.Condition()

    @property
    def url(self) -> str:
        """The URL of this receiver."""
        assert self._server is not None
        host = "http://127.0.0.1" if self._tls is None else "https://localhost"
        return f"{host}:{self._server.port}/hooks?from=test"

    async def start(self) -> None:
        """Listen; after a `stop`, on the same port as before."""
        self._loop = asyncio.get_running_loop()
        if self._server is None:
            self._server = HttpServer(self._reply, self._tls)
        else:
            self._server.start()

    async def stop(self) -> None:
        """Stop listening and break all connections, once the chosen answers are sent."""
        if self._server is not None:
            chosen = list(self._unsent)
            await self.until(
                lambda: not any(each is sent for each in chosen for sent in self._unsent)
            )
            # In a thread: a reply that is under way needs this event loop.
            await asyncio.to_thread(self._server.stop)

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

    def _reply(self, ask: Ask) -> Reply | None:
        """Answer a request; called in the thread of its connection."""
        try:
            return asyncio.run_coroutine_threadsafe(self._take(ask), self._loop).result()
        except (CancelledError, RuntimeError):
            return None  # the test has ended, and its event loop with it

    async def _take(self, ask: Ask) -> Reply | None:
        headers = {name.lower(): value for name, value in ask.headers.items()}
        form = dict(parse_qsl(ask.body.decode(), strict_parsing=True))
        delivery = Delivery(ask.target, headers, form)
        self.came.append(delivery)
        self._check(delivery)
        await self._notify_waiting()
        said = self.answer(delivery)
        answer = said if isinstance(said, Answer) else await said
        if answer.status is None:
            return None
        if 200 <= answer.status < 300:
            self.taken.append(delivery)
        self._unsent.append(delivery)
        await self._notify_waiting()
        return Reply(
            answer.status,
            answer.body,
            answer.headers,
            on_end=lambda: self._submit_end(delivery),
        )

    def _submit_end(self, delivery: Delivery) -> None:
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._end(delivery), self._loop)

    async def _end(self, delivery: Delivery) -> None:
        self._unsent = [each for each in self._unsent if each is not delivery]
        await self._notify_waiting()

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

"""A simulated client on a bare wire: every message as the server sent it, nothing filtered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from syncline import (
    ConnectionState,
    JsonObject,
    NotFound,
    RequestError,
    RequestTimeout,
    RevisionMismatch,
    SynclineError,
    Token,
)
from syncline.connection import Connection
from syncline.options import Options, Server, TransportChoice
from syncline.token import TokenSource

from .history import History
from .records import Answered, Invoked, Outcome, Repeated, content_of
from .sight import Sight

__all__ = [
    "BACKOFF_INITIAL",
    "BACKOFF_LIMIT",
    "OPEN_TIMEOUT",
    "REQUEST_TIMEOUT",
    "KnownState",
    "WireClient",
    "bare_options",
]

OPEN_TIMEOUT = 3.0
REQUEST_TIMEOUT = 5.0
"""Seconds; after that a write is sent again, with the same operation id."""

BACKOFF_INITIAL = 0.1
BACKOFF_LIMIT = 1.0
"""Seconds: shorter than an application's, since faults follow each other quickly here."""

RETRY_PAUSE = 0.1
"""Seconds before a request that was refused for the moment is made again."""

SETTLE_TIMEOUT = 60.0
"""Seconds for which a write is tried: half of what a server remembers its operation id for."""

OPENING_AT_ONCE = 16


@dataclass(slots=True)
class KnownState:
    """A document as the client last received it."""

    revision: int
    data: JsonObject


class WireClient:
    """The native protocol, or REST with event streams, through one link.

    The connection comes from the Python client, which connects again after a break and sends again
    what was not answered; it does nothing else that it would do for an application.

    Attributes:
        transport: what it speaks.
        sight: what it sees.
        known: the newest state of each open document.
    """

    def __init__(
        self,
        transport: TransportChoice,
        name: str,
        url: str,
        token: Token,
        *,
        history: History,
        on_change: Callable[[], None],
    ) -> None:
        """`url`: of the link."""
        self.name = name
        self.transport = transport
        self.sight = Sight(name, history, on_change)
        self.known: dict[str, KnownState] = {}
        self._history = history
        self._connection = Connection(
            Server.parse(url),
            TokenSource(token),
            bare_options(transport),
            on_event=self._on_event,
            on_state=self._on_state,
        )
        self._resuming: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect; raises `SynclineError`."""
        await self._connection.open()

    async def close(self) -> None:
        """End the connection permanently."""
        if self._resuming is not None:
            self._resuming.cancel()
        await self._connection.close()

    async def subscribe(self, document: str) -> None:
        """Subscribe; returns when that is done, the document is gone, or there is no connection."""

        while True:
            try:
                return await self._subscribe(document, self.known.get(document))
            except NotFound:
                self.known.pop(document, None)
                return self.sight.miss(document)
            except (RequestTimeout, RequestError):
                await asyncio.sleep(RETRY_PAUSE)
            except SynclineError:
                return

    async def _subscribe(self, document: str, asked: KnownState | None) -> None:
        def take(ok: JsonObject) -> None:
            body = ok["document"]
            # Without data the document is as it was when this was asked.
            data = body["data"] if "data" in body or asked is None else asked.data
            opened = KnownState(int(body["revision"]), data)
            self.known.setdefault(document, opened)
            self.adopt(document, opened.revision, data)
            self.sight.open(document, opened.revision, data)

        await self._connection.request(
            "open",
            take,
            document=document,
            mode="open_existing",
            revision=str(asked.revision) if asked else None,
        )

    async def write(self, number: int, op: str, do: str, document: str, **members: Any) -> Outcome:
        """Write, again with the same `op` until the outcome is known.

        Args:
            number: of the write, in the history.
            do: a verb of the native protocol, with its `members`.
        """
        self._invoke(number, do, document, members)
        writing = _Writing(self, number)
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT):
                while writing.outcome is None:
                    await self._attempt(writing, op, do=do, document=document, members=members)
        except TimeoutError:
            pass
        finally:
            if writing.outcome is None:
                writing.end(Outcome.UNKNOWN)
        assert writing.outcome is not None
        return writing.outcome

    async def repeat(self, number: int, op: str, do: str, document: str, **members: Any) -> None:
        """Send an acknowledged write once more; what comes of it goes into the history."""

        def take(ok: JsonObject) -> None:
            revision = ok.get("document", {}).get("revision")
            self._repeated(number, document, None if revision is None else int(revision), None)

        try:
            await self._connection.request(do, take, document=document, op=op, **members)
        except RequestError as error:
            self._repeated(number, document, None, error.code)
        except SynclineError:
            pass  # no answer came

    def _repeated(self, number: int, document: str, revision: int | None, code: int | None) -> None:
        self._history.add(
            Repeated(
                at=self._history.now(),
                write=number,
                client=self.name,
                document=document,
                revision=revision,
                code=code,
            )
        )

    async def _attempt(
        self, writing: _Writing, op: str, *, do: str, document: str, members: JsonObject
    ) -> None:
        try:
            await self._connection.request(
                do, writing.acknowledge, document=document, op=op, **members
            )
        except RequestTimeout:
            pass
        except RequestError as error:
            if not error.retry:
                return writing.refuse(error)
            await asyncio.sleep(RETRY_PAUSE)
        except SynclineError:
            writing.end(Outcome.UNKNOWN)

    def _invoke(self, number: int, do: str, document: str, members: JsonObject) -> None:
        if_match = members.get("if_match")
        self._history.add(
            Invoked(
                at=self._history.now(),
                write=number,
                client=self.name,
                document=document,
                do=do,
                connection=self.sight.connection if self.sight.connected else None,
                content=content_of(members["data"]) if "data" in members else None,
                if_match=None if if_match is None else int(if_match),
                ttl=members.get("ttl"),
            )
        )

    def answer(self, number: int, outcome: Outcome, **known: Any) -> None:
        """Put into the history how a write ended."""
        if outcome is not Outcome.UNKNOWN:
            known["connection"] = self.sight.connection
        self._history.add(Answered(at=self._history.now(), write=number, outcome=outcome, **known))

    def adopt(self, document: str, revision: int, data: JsonObject) -> None:
        """Keep the state in a reply, if it is newer."""
        known = self.known.get(document)
        if known is not None and known.revision < revision:
            self.known[document] = KnownState(revision, data)

    def _on_event(self, message: JsonObject, _may_be_early: bool) -> None:
        body = message.get("document", {})
        document = body.get("sid")
        if document not in self.known:
            return  # the answer to `open` was lost: it will be asked again
        if "revision" not in body:
            # An event stream was opened again, and found no document.
            del self.known[document]
            return self.sight.miss(document)
        revision = int(body["revision"])
        # Without one it is the state with which another event stream begins.
        previous = int(body["previous_revision"]) if "previous_revision" in body else None
        if message["event"] == "removed":
            del self.known[document]
            self.sight.remove(document, revision, body["expired"], previous)
        elif message["event"] == "updated":
            self.adopt(document, revision, body["data"])
            if previous is None:
                return self.sight.open(document, revision, body["data"])
            self.sight.update(document, revision, body["data"], previous)

    def _on_state(self, state: ConnectionState, error: Exception | None) -> None:
        if state is ConnectionState.CONNECTED:
            self.sight.connect()
            if self._resuming is not None:
                self._resuming.cancel()
            self._resuming = asyncio.create_task(self._resume())
        elif state is not ConnectionState.CONNECTING:
            self.sight.lose(error, final=state is ConnectionState.CLOSED)

    async def _resume(self) -> None:
        slots = asyncio.Semaphore(OPENING_AT_ONCE)

        async def subscribe(document: str) -> None:
            async with slots:
                await self.subscribe(document)

        await asyncio.gather(*map(subscribe, list(self.known)))


class _Writing:
    """A write under way; `outcome` is None until it is known, and then stays."""

    def __init__(self, client: WireClient, number: int) -> None:
        self.outcome: Outcome | None = None
        self._client = client
        self._number = number

    def acknowledge(self, ok: JsonObject) -> None:
        body = ok.get("document", {})
        revision, data = body.get("revision"), body.get("data")
        if revision is not None and data is not None:
            self._client.adopt(body["sid"], int(revision), data)
        self.end(
            Outcome.ACKNOWLEDGED,
            revision=None if revision is None else int(revision),
            content=None if data is None else content_of(data),
            repeated=bool(ok.get("repeated", False)),
        )

    def refuse(self, error: RequestError) -> None:
        if isinstance(error, RevisionMismatch) and error.document is not None:
            newest = error.document
            self._client.adopt(newest.sid, newest.revision, newest.data)
        self.end(Outcome.REFUSED, code=error.code)

    def end(self, outcome: Outcome, **known: Any) -> None:
        self.outcome = outcome
        self._client.answer(self._number, outcome, **known)


def bare_options(transport: TransportChoice) -> Options:
    """Those of a connection that shows every event, and comes back quickly after a fault."""
    return Options(
        transport=transport,
        open_timeout=OPEN_TIMEOUT,
        request_timeout=REQUEST_TIMEOUT,
        mutate_timeout=REQUEST_TIMEOUT,
        backoff_initial=BACKOFF_INITIAL,
        backoff_limit=BACKOFF_LIMIT,
        websocket_retry=BACKOFF_LIMIT,
        event_queue=1,
        deltas=False,  # each event is judged by itself
    )

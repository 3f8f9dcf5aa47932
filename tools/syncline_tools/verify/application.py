"""A simulated application: the Python client as its users have it, with all its amenities."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import syncline
from syncline import (
    ConnectionState,
    Document,
    DocumentEvent,
    EventQueue,
    JsonObject,
    NotFound,
    RequestError,
    RequestTimeout,
    StateChanged,
    SynclineError,
    Token,
    Unavailable,
    Updated,
)

from .client import BACKOFF_INITIAL, BACKOFF_LIMIT, OPEN_TIMEOUT, REQUEST_TIMEOUT
from .history import History
from .records import Answered, Invoked, Outcome, content_of
from .sight import Sight

__all__ = ["Application"]

RETRY_PAUSE = 0.1
"""Seconds before a document is opened again."""

WEBSOCKET_RETRY = 2.0
"""Seconds for which it is content with REST, where a fault made it fall back."""


class Application:
    """One application that follows documents and counts in some of them.

    Attributes:
        sight: what it sees.
    """

    def __init__(
        self,
        name: str,
        url: str,
        token: Token,
        history: History,
        *,
        on_change: Callable[[], None],
    ) -> None:
        """`url`: of the link."""
        self.name = name
        self.sight = Sight(name, history, on_change)
        self._history = history
        self._connect = syncline.connect(
            url,
            token=token,
            open_timeout=OPEN_TIMEOUT,
            request_timeout=REQUEST_TIMEOUT,
            backoff_initial=BACKOFF_INITIAL,
            backoff_limit=BACKOFF_LIMIT,
            websocket_retry=WEBSOCKET_RETRY,
        )
        self._documents: dict[str, Document] = {}
        self._listening: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect; raises `SynclineError`."""
        self._client = await self._connect
        self.sight.connect()
        self._client.on("state", self._on_state)

    async def close(self) -> None:
        """End the connection permanently."""
        await self._client.close()
        await asyncio.gather(*self._listening, return_exceptions=True)

    async def subscribe(self, document: str) -> None:
        """Open a document; returns when that is done, it is gone, or there is no connection."""
        while True:
            try:
                handle = await self._client.document(document, mode="open_existing")
            except NotFound:
                return self.sight.miss(document)
            except (RequestTimeout, RequestError):
                await asyncio.sleep(RETRY_PAUSE)
                continue
            except SynclineError:
                return
            # Before anything is awaited, so that no event falls between.
            events = handle.events()
            self._documents[document] = handle
            self.sight.open(document, int(handle.revision), handle.data)
            if handle.removed:
                # Its end came before anybody could listen; the handle says so.
                return self.sight.remove(document, None, None)
            task = asyncio.create_task(self._listen(document, events))
            self._listening.add(task)
            return task.add_done_callback(self._listening.discard)

    async def mutate(self, number: int, document: str) -> None:
        """Add one to `n`; `number` is the write's in the history."""
        handle = self._documents.get(document)
        if handle is None:
            return
        self._history.add(
            Invoked(
                at=self._history.now(),
                write=number,
                client=self.name,
                document=document,
                do="mutate",
                connection=self.sight.connection if self.sight.connected else None,
            )
        )
        outcome, content, code = Outcome.UNKNOWN, None, None
        try:
            content = content_of(await handle.mutate(_add_one))
            outcome = Outcome.ACKNOWLEDGED
        except RequestError as error:
            code = error.code
            # An earlier attempt may have been applied where the store then went away.
            outcome = Outcome.UNKNOWN if isinstance(error, Unavailable) else Outcome.REFUSED
        except SynclineError:
            pass
        finally:
            self._history.add(
                Answered(
                    at=self._history.now(),
                    write=number,
                    outcome=outcome,
                    connection=self.sight.connection if self.sight.connected else None,
                    content=content,
                    code=code,
                )
            )

    async def _listen(self, document: str, events: EventQueue[DocumentEvent]) -> None:
        with suppress(SynclineError):  # why the connection ended permanently: the state says it too
            async for event in events:
                self._handle_event(document, event)

    def _handle_event(self, document: str, event: DocumentEvent) -> None:
        if isinstance(event, Updated):
            self.sight.update(document, int(event.revision), event.data)
        else:
            revision = None if event.revision is None else int(event.revision)
            self.sight.remove(document, revision, event.expired)

    def _on_state(self, change: StateChanged) -> None:
        if change.state is ConnectionState.CONNECTED:
            self.sight.connect()
        elif change.state is not ConnectionState.CONNECTING:
            self.sight.lose(change.error, final=change.state is ConnectionState.CLOSED)


def _add_one(data: JsonObject) -> JsonObject:
    return data | {"n": data["n"] + 1}

"""What one client sees: into the history, and the newest of it at hand."""

from __future__ import annotations

from collections.abc import Callable

from syncline import JsonObject

from .history import History
from .records import Connected, Lost, Missing, Opened, Removed, Updated, content_of

__all__ = ["Sight"]


class Sight:
    """The eyes of a client.

    Attributes:
        connection: counts its connections.
        connected: True while there is one.
        newest: of each document that it opened, the newest revision; None once it is gone.
    """

    def __init__(self, client: str, history: History, on_change: Callable[[], None]) -> None:
        """`on_change` is called whenever something was seen."""
        self.connection = 0
        self.connected = False
        self.newest: dict[str, int | None] = {}
        self._client = client
        self._history = history
        self._on_change = on_change

    def connect(self) -> None:
        """There is a connection."""
        self.connection += 1
        self.connected = True
        self._history.add(
            Connected(at=self._now(), client=self._client, connection=self.connection)
        )

    def lose(self, reason: Exception | None, final: bool) -> None:
        """There is none any more."""
        self.connected = False
        self._history.add(
            Lost(at=self._now(), client=self._client, reason=str(reason or ""), final=final)
        )

    def open(self, document: str, revision: int, data: JsonObject) -> None:
        """A subscription began with this state."""
        self._saw(document, revision)
        self._history.add(
            Opened(
                at=self._now(),
                client=self._client,
                document=document,
                connection=self.connection,
                revision=revision,
                content=content_of(data),
            )
        )

    def miss(self, document: str) -> None:
        """A subscription was refused: there is no such document."""
        if document in self.newest:
            self._saw(document, None)
        self._history.add(
            Missing(
                at=self._now(),
                client=self._client,
                document=document,
                connection=self.connection,
            )
        )

    def update(
        self, document: str, revision: int, data: JsonObject, previous: int | None = None
    ) -> None:
        """An event brought this state; `previous`: the revision before, if the event names it."""
        self._saw(document, revision)
        self._history.add(
            Updated(
                at=self._now(),
                client=self._client,
                document=document,
                connection=self.connection,
                revision=revision,
                content=content_of(data),
                previous=previous,
            )
        )

    def remove(
        self,
        document: str,
        revision: int | None,
        expired: bool | None,
        previous: int | None = None,
    ) -> None:
        """An event brought the end; `previous` as in `update`."""
        self._saw(document, None)
        self._history.add(
            Removed(
                at=self._now(),
                client=self._client,
                document=document,
                connection=self.connection,
                revision=revision,
                expired=expired,
                previous=previous,
            )
        )

    def agrees(self, document: str, revision: int | None) -> bool:
        """True if the client has the document at this revision, or knows that it is removed."""
        if revision is None:
            return self.newest.get(document) is None
        return self.newest.get(document) == revision

    def _saw(self, document: str, revision: int | None) -> None:
        self.newest[document] = revision
        self._on_change()

    def _now(self) -> float:
        return self._history.now()

"""What one client sees of lists, maps and streams: into the history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from syncline_tools.verify.history import History
from syncline_tools.verify.records import Connected, Lost

from .reading import Reading
from .records import (
    CollectionRemoved,
    ItemChange,
    ItemsChanged,
    ItemsOpened,
    ItemsRead,
    ItemsReplayed,
    ItemState,
    MessageReceived,
    MessagesMissed,
)
from .scope import WHOLE, Scope

__all__ = ["ItemSight"]


class ItemSight:
    """The eyes of a client.

    Attributes:
        connection: counts its connections.
        is_connected: True while there is one.
        newest: the revision of each collection that it has seen last.
        scope: the items that it observes.
    """

    def __init__(
        self,
        client: str,
        history: History,
        on_change: Callable[[], None],
        *,
        scope: Scope = WHOLE,
    ) -> None:
        """`on_change` is called whenever something was seen."""
        self.client = client
        self.connection = 0
        self.is_connected = False
        self.newest: dict[str, int] = {}
        self.scope = scope
        # The revision of each item of its copies, by collection and key.
        self._copies: dict[str, dict[str, int]] = defaultdict(dict)
        self._history = history
        self._on_change = on_change

    def now(self) -> float:
        """Seconds since the run began."""
        return self._history.now()

    def connect(self) -> None:
        """There is a connection, from here on without a gap."""
        self.connection += 1
        self.is_connected = True
        self._history.add(Connected(at=self.now(), client=self.client, connection=self.connection))

    def lose(self, reason: str) -> None:
        """There is none any more, or something was missed."""
        self.is_connected = False
        self._history.add(Lost(at=self.now(), client=self.client, reason=reason, final=False))

    def read(self, collection: str, began: float, reading: Reading) -> None:
        """All items were read, by a client that receives no events."""
        self._history.add(
            ItemsRead(
                at=self.now(),
                client=self.client,
                collection=collection,
                began=began,
                revision=reading.revision,
                items=reading.items,
                is_atomic=reading.is_atomic,
            )
        )
        if reading.revision is not None:
            self._saw(collection, reading.revision)

    def open(
        self, collection: str, began: float, revision: int, items: Iterable[ItemState]
    ) -> None:
        """A copy was made, from which events go on."""
        items = tuple(items)
        self._copies[collection] = {each.key: each.revision for each in items}
        self._history.add(
            ItemsOpened(
                at=self.now(),
                client=self.client,
                collection=collection,
                connection=self.connection,
                began=began,
                revision=revision,
                items=items,
            )
        )
        self._saw(collection, revision)

    def change(
        self, collection: str, revision: int, previous: int, changes: Iterable[ItemChange]
    ) -> None:
        """An event came."""
        changes = tuple(changes)
        self._apply(collection, changes)
        self._history.add(
            ItemsChanged(
                at=self.now(),
                client=self.client,
                collection=collection,
                connection=self.connection,
                revision=revision,
                previous=previous,
                changes=changes,
            )
        )
        self._saw(collection, revision)

    def replay(
        self,
        collection: str,
        since: int,
        revision: int,
        changes: Iterable[ItemChange],
        *,
        is_adopted: bool,
        head: int | None = None,
    ) -> None:
        """What changed since a revision was read; `is_adopted` and `head` as of the record."""
        changes = tuple(changes)
        if is_adopted:
            self._apply(collection, changes)
        self._history.add(
            ItemsReplayed(
                at=self.now(),
                client=self.client,
                collection=collection,
                connection=self.connection,
                since=since,
                revision=revision,
                changes=changes,
                is_adopted=is_adopted,
                head=head,
            )
        )
        if is_adopted:
            self._saw(collection, revision)

    def remove(self, collection: str, revision: int, expired: bool) -> None:
        """The end of a collection came."""
        self._history.add(
            CollectionRemoved(
                at=self.now(),
                client=self.client,
                collection=collection,
                connection=self.connection,
                revision=revision,
                expired=expired,
            )
        )

    def receive(self, collection: str, write: int | None) -> None:
        """A message came."""
        self._history.add(
            MessageReceived(
                at=self.now(),
                client=self.client,
                collection=collection,
                connection=self.connection,
                write=write,
            )
        )
        self._on_change()

    def miss(self, collection: str, count: int) -> None:
        """So many messages did not come, because it was too slow."""
        self._history.add(
            MessagesMissed(
                at=self.now(),
                client=self.client,
                collection=collection,
                connection=self.connection,
                count=count,
            )
        )

    def known(self, collection: str, key: str) -> int | None:
        """The revision of an item in its copy; None if there is none."""
        return self._copies[collection].get(key)

    def agrees(self, collection: str, revision: int, items: Iterable[ItemState]) -> bool:
        """True if it has seen this revision, or a newer one, as of an item that expired since.

        One that observes a part sees no revisions of other items: its copy must be that of `items`.
        """
        if self.scope.is_whole:
            return self.newest.get(collection, 0) >= revision
        copy = self._copies[collection]
        stored = {each.key: each.revision for each in items if self.scope.has(each.key)}
        return collection not in self.newest or copy == stored

    def _apply(self, collection: str, changes: Iterable[ItemChange]) -> None:
        copy = self._copies[collection]
        for change in changes:
            if change.content is None:
                copy.pop(change.key, None)
            else:
                copy[change.key] = change.revision

    def _saw(self, collection: str, revision: int) -> None:
        self.newest[collection] = revision
        self._on_change()

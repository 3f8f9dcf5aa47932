"""The stored collections of one type, as the hub reads them to catch up."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, cast

from syncline_protocol.items import ItemsReset
from syncline_protocol.objects import Event, Header, ObjectType
from syncline_server.pubsub.topic import Topic
from syncline_server.storage.author import Author

from .headers import HeaderSource, expiry_event
from .replays import replayed

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["ItemSource"]


class ItemSource(HeaderSource[Header]):
    """The stored collections of a type, as the hub reads them."""

    def __init__(self, backend: Backend, type_: ObjectType) -> None:
        super().__init__(backend.objects, type_, backend.hub.now_ms)
        self._items = backend.items

    async def missed(self, topic: Topic) -> AsyncGenerator[Event, None]:
        """As in `catch_up.Source`: what changed since the revision that subscribers have."""
        at = self._at(topic.service_sid, topic.sid)
        header = await self.header(topic.service_sid, topic.sid)
        if header is None:
            yield topic.make_removal(self._now_ms())
            return
        newest = topic.newest_known
        if header.revision < newest:
            # A failover lost writes that subscribers have seen, and nobody knows of which items.
            # Give the collection a newer revision (promise 2), and let them read it again.
            header = (await self._objects.advance(at, newest)).state
            yield ItemsReset.of(header, topic.revision)
            return
        # The same where another write has moved the collection on since: subscribers have received
        # items at revisions that are lost. These get newer ones, in an event whose `previous` is
        # older than what subscribers have: each process takes it as a reset (`Event.after_loss`).
        received = {cast(tuple[str, str], about)[1]: rev for about, rev in topic.recent or ()}
        if received and (restored := await self._items.advance(at, received)) is not None:
            yield ItemsReset.of(restored, topic.revision)
            return
        since = topic.delivered
        while True:
            replay = await self._items.changes_since(at, since, Author(identity=""))
            header = replay.header
            if replay.is_reset:
                yield ItemsReset.of(header, since)
                return
            if (event := replayed(replay, since)) is not None:
                since = event.revision
                yield event
            if replay.more_since is None:
                break
            since = max(since, replay.more_since)
        if header.revision > since:
            yield expiry_event(header, since)

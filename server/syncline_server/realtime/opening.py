"""How a session carries out `Open`: the state of an object, and its events from there on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from syncline_protocol.commands import Open
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import Header
from syncline_server.backend import Backend
from syncline_server.objects.replays import Contents, part_of
from syncline_server.observability.metrics import Limit
from syncline_server.storage.items import Replay
from syncline_server.storage.results import forbidden
from syncline_server.storage.rights import Right

from .results import Opened
from .subscription import State
from .subscriptions import Subscriptions

__all__ = ["open_object"]


async def open_object(
    backend: Backend, subscriptions: Subscriptions, command: Open
) -> Opened[Header]:
    """Find or create the object, subscribe to it, and read its state without a gap between."""
    started = asyncio.get_running_loop().time()
    operations, part = backend.registry.of(command.type), part_of(command)
    with _room_for(backend, subscriptions, command.key):
        # 1. Find the object. During this await it may change, and so may the token.
        state, created = await operations.open(subscriptions.access, command)
        if not subscriptions.access.grants(command.type, state.unique_name, Right.READ):
            raise forbidden()  # by a newer token (`adopt`)
        # 2. Subscribe. Events are blocked until the reply (`State.OPENING`).
        subscription = subscriptions.subscribe(state, part, deltas=command.deltas)
        with subscriptions.opening(subscription, part):
            await backend.hub.make_live(subscription.topic)
            # 3. Read what the reply has.
            if operations.replays is None:
                topic = subscription.topic
                # Again, unless the topic was live before 1 and has seen no change since.
                was_live = topic.live_since is not None and topic.live_since < started
                is_changed = topic.revision > state.revision
                if not was_live or is_changed or topic.rights_changed_at >= started:
                    # The state of 1, or the right to read it, is or may be out of date.
                    state = await operations.get(subscriptions.access, state.sid)
                # The client's revision is newer than the stored one, because a failover lost
                # writes: give the stored state a newer revision (promise 2).
                if command.revision is not None and command.revision > state.revision:
                    access = subscriptions.access
                    state = await operations.advance(access, state.sid, command.revision)
                contents = Contents(state=state)
            else:
                access = subscriptions.access
                contents = await operations.replays.contents(access, state.sid, command)
                state = contents.state
                if subscription.state is State.BEHIND and command.revision is None:
                    contents = _reset(contents)
            if subscription.state is State.REVOKED:
                raise forbidden()  # the right was revoked after the last read: promise 6
    return Opened(
        state,
        created,
        known=command.revision == state.revision,
        items=contents.items,
        replay=contents.replay,
    )


def _reset(contents: Contents) -> Contents:
    """For a client that is behind and opens the collection again: it lacks earlier changes."""
    lost = Replay(header=contents.state, changes=(), more_since=None, is_reset=True)
    return replace(contents, replay=lost)


@contextmanager
def _room_for(backend: Backend, subscriptions: Subscriptions, key: str | None) -> Iterator[None]:
    """Refuse at `max_subscriptions`, before an object is created to be opened."""
    is_open = subscriptions.index.find(key) is not None
    limit = backend.settings.max_subscriptions
    if not is_open and len(subscriptions.index) + subscriptions.opens >= limit:
        backend.meters.limit_hits[Limit.MAX_SUBSCRIPTIONS] += 1
        raise Refusal(
            Code.TOO_MANY_SUBSCRIPTIONS,
            f"One connection can open {limit} objects; unsubscribe from some.",
        )
    # Opens under way may add an object: they count against the limit before they do.
    subscriptions.opens += 1
    try:
        yield
    finally:
        subscriptions.opens -= 1

"""How a session carries out `Open`: the state of an object, and its events from there on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from syncline_protocol.commands import Open
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import Header
from syncline_server.backend import Backend
from syncline_server.objects.replays import Contents, part_of
from syncline_server.observability.metrics import Limit
from syncline_server.pubsub.topic import Topic
from syncline_server.storage.items import Replay
from syncline_server.storage.results import forbidden
from syncline_server.storage.rights import Right

from .results import Opened
from .subscription import State
from .subscriptions import Subscriptions

__all__ = ["Found", "has_room", "open_at_once", "open_object"]


class Found(NamedTuple):
    """The object of an `Open` that is under way: counted in `Subscriptions.opens`.

    Attributes:
        asked_at: loop time; the state is not older.
        state: None if it is still to be found.
        created: whether it was created.
    """

    asked_at: float
    state: Header | None = None
    created: bool = False


async def open_object(
    backend: Backend, subscriptions: Subscriptions, command: Open, found: Found | None = None
) -> Opened[Header]:
    """Find or create the object, subscribe to it, and read its state without a gap between.

    `found`: what was done of that already; None if nothing was.
    """
    operations, part = backend.registry.of(command.type), part_of(command)
    if found is None:
        _check_room(backend, subscriptions, command.key)
    with _counting(subscriptions):
        # 1. Find the object. During this await it may change, and so may the token.
        if found is None or found.state is None:
            asked_at = asyncio.get_running_loop().time()
            state, created = await operations.open(subscriptions.access, command)
        else:
            asked_at, state, created = found.asked_at, found.state, found.created
        _check_grants(subscriptions, command, state)
        # 2. Subscribe. Events are blocked until the reply (`State.OPENING`).
        subscription = subscriptions.subscribe(state, part, deltas=command.deltas)
        with subscriptions.opening(subscription, part):
            await backend.hub.make_live(subscription.topic)
            # 3. Read what the reply has.
            if operations.replays is None:
                if not _is_current(subscription.topic, state, asked_at):
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


def open_at_once(
    backend: Backend, subscriptions: Subscriptions, command: Open, found: Found
) -> Opened[Header] | None:
    """As `open_object`, for a type without items; None if something must be waited for."""
    state = found.state
    topic = None if state is None else backend.hub.topic(state.sid)
    if state is None or topic is None or not _is_current(topic, state, found.asked_at):
        return None
    if command.revision is not None and command.revision > state.revision:
        return None
    _check_grants(subscriptions, command, state)
    subscriptions.subscribe(state, deltas=command.deltas)
    return Opened(state, found.created, known=command.revision == state.revision)


def _check_grants(subscriptions: Subscriptions, command: Open, state: Header) -> None:
    if not subscriptions.access.grants(command.type, state.unique_name, Right.READ):
        raise forbidden()  # by a newer token (`adopt`)


def _is_current(topic: Topic, state: Header, asked_at: float) -> bool:
    """False if a state must be read again: unless the topic was live before the state was asked
    for, and has seen no change of the object or of rights since."""
    was_live = topic.live_since is not None and topic.live_since < asked_at
    is_changed = topic.revision > state.revision
    return was_live and not is_changed and topic.rights_changed_at < asked_at


def _reset(contents: Contents) -> Contents:
    """For a client that is behind and opens the collection again: it lacks earlier changes."""
    lost = Replay(header=contents.state, changes=(), more_since=None, is_reset=True)
    return replace(contents, replay=lost)


def has_room(backend: Backend, subscriptions: Subscriptions, key: str | None) -> bool:
    """False if an `Open` with this key must be refused."""
    is_open = subscriptions.index.find(key) is not None
    limit = backend.settings.max_subscriptions
    return is_open or len(subscriptions.index) + subscriptions.opens < limit


def _check_room(backend: Backend, subscriptions: Subscriptions, key: str | None) -> None:
    """Refuse at `max_subscriptions`, before an object is created to be opened."""
    if not has_room(backend, subscriptions, key):
        backend.meters.limit_hits[Limit.MAX_SUBSCRIPTIONS] += 1
        limit = backend.settings.max_subscriptions
        raise Refusal(
            Code.TOO_MANY_SUBSCRIPTIONS,
            f"One connection can open {limit} objects; unsubscribe from some.",
        )
    # Opens under way may add an object: they count against the limit before they do.
    subscriptions.opens += 1


@contextmanager
def _counting(subscriptions: Subscriptions) -> Iterator[None]:
    """A context in which an `Open` that was counted goes on."""
    try:
        yield
    finally:
        subscriptions.opens -= 1

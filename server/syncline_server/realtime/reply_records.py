"""What a client knows from the replies to its commands, so that no older event follows them."""

from __future__ import annotations

from syncline_protocol.commands import Command, Open
from syncline_protocol.objects import Header, type_of_sid
from syncline_server.objects.contended_writes import Marked
from syncline_server.objects.headers import expiry_event
from syncline_server.objects.replays import part_of

from .own_marks import OwnMarks
from .results import Fetched, Opened, Result, Unsubscribed, tells_data
from .subscription import State, Subscription
from .subscriptions import Subscriptions

__all__ = ["record_reply"]


def record_reply(subscriptions: Subscriptions, command: Command, result: Result) -> None:
    """Record what the client knows from the reply to a command."""
    if isinstance(result, Opened):
        return _record_opened(subscriptions, command, result)
    if subscriptions.sender.send_own is not None:
        _record_own(subscriptions, command, result)
    if isinstance(result, Fetched | Unsubscribed):
        return
    header = result.header
    subscription = subscriptions.index.by_key.get(header.sid)
    if subscription is not None:
        # `max`: an event may have brought a newer revision before this reply.
        subscription.topic.learn(header)
        revision = _acknowledge(subscription, header)
        subscription.acknowledged = max(subscription.acknowledged, revision)
        if tells_data(command, result):
            subscription.wrote = max(subscription.wrote, revision)


def _record_opened(subscriptions: Subscriptions, command: Command, opened: Opened[Header]) -> None:
    header, replay = opened.state, opened.replay
    subscription = subscriptions.index.by_key.get(header.sid)
    if subscription is None:
        return
    topic = subscription.topic
    topic.learn(header)
    revision = _acknowledge(subscription, header)
    if isinstance(command, Open):
        subscriptions.settle_deltas(subscription, command.deltas)
        subscriptions.settle_part(subscription, part_of(command), part_of(command))
    subscription.opened = revision if replay is None else replay.more_since or revision
    if replay is not None and replay.more_since is not None:
        # The reply has the first portion of what changed: the client is behind, perhaps further
        # than it was before.
        return subscriptions.read_since(subscription, replay.more_since, header.expires_ms)
    if subscription.state in (State.OPENING, State.BEHIND):
        # The reply has all that the client lacked, or tells it to read all items again.
        subscription.state, subscription.portion = State.SLOW, None
    subscription.delivered = max(subscription.delivered, revision)
    if subscription.deltas:
        subscriptions.hub.remember_base(topic, header)
    if type_of_sid(topic.sid).has_messages and revision > topic.revision:
        # Messages move no revision. So that this client joins the fast path, tell the others
        # what it received: then nobody is at an older revision.
        subscriptions.hub.deliver(expiry_event(header, topic.revision))


def _acknowledge(subscription: Subscription, header: Header) -> int:
    topic = subscription.topic
    topic.acknowledged = max(topic.acknowledged, header.revision)
    return header.revision


def _record_own(subscriptions: Subscriptions, command: Command, result: Result) -> None:
    """Remember what the events of a write will name."""
    written = result.state if isinstance(result, Fetched) else result
    subscription = subscriptions.index.find(command.key)
    if isinstance(written, Marked) and subscription is not None:
        subscription.own = subscription.own or OwnMarks()
        subscription.own.add(written.marks)

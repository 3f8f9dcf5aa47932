"""How one client receives its events: whole, as deltas, or apart because they are its own."""

from __future__ import annotations

from collections.abc import Callable

from syncline_protocol.items import ItemsChanged
from syncline_protocol.objects import Event

from .replay import split_own
from .subscription import Subscription

__all__ = ["EventSender"]


class EventSender:
    """The callbacks of one client for events.

    Attributes:
        send_event: sends an event with all its data.
        send_delta: receives changes in place of `send_event`, as in `Session.take_deltas`; None for
            a client that takes no deltas.
        send_own: receives the events of the client's own writes in place of `send_event`, as in
            `Session.take_own`; None for a client that does not tell them apart.
    """

    __slots__ = ("send_delta", "send_event", "send_own")

    def __init__(self, send_event: Callable[[Event], None]) -> None:
        self.send_event = send_event
        self.send_delta: Callable[[Event, bool], None] | None = None
        self.send_own: Callable[[Event], None] | None = None

    def send_change(self, subscription: Subscription, event: Event, before: int) -> None:
        """Send a change: without data, as a delta or whole. `before`: the client's revision."""
        if subscription.part is not None:
            return self._send_part(subscription, event, before)
        if self.send_delta is not None:
            # The client has this data already, from its own write: send the rest of the event.
            if event.revision == subscription.wrote:
                return self.send_delta(event, True)
            # A delta fits only the data that it begins from, which the client may have missed.
            if subscription.deltas and event.has_delta_for(before):
                return self.send_delta(event, False)
        if subscription.own is None:
            self.send_event(event)  # nearly all events of nearly all clients
        else:
            self.send(subscription, event)

    def _send_part(self, subscription: Subscription, event: Event, before: int) -> None:
        """Send what of a change belongs to the client's part."""
        if self.send_delta is not None and subscription.deltas and event.has_delta_for(before):
            narrowed = event.narrowed(subscription.has)
            if narrowed is not None:
                self.send_delta(narrowed, False)
        else:
            self.send(subscription, event)

    def send(self, subscription: Subscription, event: Event) -> None:
        """Send what of the event belongs to the client's part, its own changes apart."""
        if subscription.part is not None:
            # Other keys than the client's: it may be a batch, or another part is being opened.
            narrowed = event.narrowed(subscription.has)
            if narrowed is None:
                return
            event = narrowed
        own = subscription.own
        if self.send_own is None or own is None:
            return self.send_event(event)
        if not isinstance(event, ItemsChanged):
            return (self.send_own if own.take(event.mark) else self.send_event)(event)
        before = subscription.delivered
        for run, is_own in split_own(event, own.has):
            (self.send_own if is_own else self.send_event)(run)
            if subscription.delivered != before:
                return  # dropped by the send queue: it comes again, and what is newer after it
            if is_own:
                own.take(run.mark)

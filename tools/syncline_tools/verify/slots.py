"""Places for documents, one after the other, and who follows what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .application import Application
from .client import WireClient
from .records import Kind
from .shape import Shape
from .twilsock import TwilsockSubscriber

__all__ = ["Slot", "Subscriber", "make_slots"]

Subscriber = WireClient | TwilsockSubscriber | Application
"""A client, whichever way it is connected."""

KINDS = [*Kind, Kind.QUIET, Kind.QUIET, Kind.QUIET]
"""The kinds of neighbouring slots.

Many are quiet: they cost few writes, and each shows a lost event only if that was its last.
"""


@dataclass(slots=True, eq=False)
class Slot:
    """A place for one document after the other; `document` is the one that is written to now."""

    kind: Kind
    number: int
    followers: list[Subscriber] = field(default_factory=list)
    document: str | None = None

    @property
    def lasts(self) -> bool:
        """True if it has one document for the whole run."""
        return self.kind not in (Kind.EXPIRING, Kind.REMOVED)


def make_slots(
    shape: Shape, subscribers: Sequence[Subscriber], losers: Sequence[WireClient]
) -> list[Slot]:
    """Slots of all kinds, and their followers: each client has neighbouring slots, of all kinds.

    `losers` follow all that is contended, and nothing else.
    """
    slots = [Slot(KINDS[i % len(KINDS)], i + 1) for i in range(shape.documents)]
    follow = min(shape.follow, len(slots))
    for number, subscriber in enumerate(subscribers):
        for i in range(follow):
            slots[(number * follow + i) % len(slots)].followers.append(subscriber)
    for slot in slots:
        if slot.kind is Kind.CONTENDED:
            slot.followers.extend(losers)
    return slots

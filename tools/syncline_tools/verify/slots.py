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

SPARE_DOCUMENTS = 64
"""Quiet documents more, in a run with commands: what a command breaks may lose events for a few
milliseconds, and some of those have to be the last of their document to show."""


@dataclass(slots=True, eq=False)
class Slot:
    """A place for one document after the other.

    Attributes:
        is_spare: True if it is written only while a command runs.
        document: the one that is written to now.
    """

    kind: Kind
    number: int
    is_spare: bool = False
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

    `losers` follow all that is contended besides, and what is spare.
    """
    slots = [Slot(KINDS[i % len(KINDS)], i + 1) for i in range(shape.documents)]
    follow = min(shape.follow, len(slots))
    for number, subscriber in enumerate([*subscribers, *losers]):
        for i in range(follow):
            slots[(number * follow + i) % len(slots)].followers.append(subscriber)
    for slot in slots:
        if slot.kind is Kind.CONTENDED:
            slot.followers.extend(each for each in losers if each not in slot.followers)
    if not shape.commands:
        return slots
    numbers = range(len(slots) + 1, len(slots) + 1 + SPARE_DOCUMENTS)
    return slots + [Slot(Kind.QUIET, number, True, list(losers)) for number in numbers]

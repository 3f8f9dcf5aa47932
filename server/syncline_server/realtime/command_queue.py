"""The order of one client's commands: those that name one document are carried out in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from syncline_protocol.commands import Command

from .results import Answer

__all__ = ["CommandQueue", "CommandQueues"]


@dataclass(slots=True, eq=False)
class CommandQueue:
    """Commands that name one document; the first of them is being carried out.

    Attributes:
        addresses: those by which the document is known to be meant. They stay as long as the lane,
            also when the session forgets that they are the same document's.
    """

    commands: deque[tuple[Command, Answer]] = field(default_factory=deque)
    addresses: set[str] = field(default_factory=set)


class CommandQueues(dict[str, CommandQueue]):
    """By each of their addresses; `addresses` are all that are known to mean one document."""

    __slots__ = ()

    def of(self, addresses: Iterable[str]) -> CommandQueue:
        """The lane of a document; a new one if it has none."""
        return next((self[each] for each in addresses if each in self), None) or CommandQueue()

    def claim(self, lane: CommandQueue, addresses: Iterable[str]) -> None:
        """Let all of them lead to the lane."""
        for address in addresses:
            if self.setdefault(address, lane) is lane:
                lane.addresses.add(address)

    def end(self, lane: CommandQueue) -> None:
        """Nothing is left in it."""
        for address in lane.addresses:
            del self[address]

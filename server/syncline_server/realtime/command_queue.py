"""Queues of one client's commands: those that name one document are carried out in order."""

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
        commands: each with the callback for its reply.
        addresses: the SID and names that are known to mean the document. They stay until the queue
            ends, even if the document is closed and the session forgets that they belong together.
    """

    commands: deque[tuple[Command, Answer]] = field(default_factory=deque)
    addresses: set[str] = field(default_factory=set)


class CommandQueues(dict[str, CommandQueue]):
    """The queues that have commands, by each of their addresses."""

    __slots__ = ()

    def of(self, addresses: Iterable[str]) -> CommandQueue:
        """The queue of the document that `addresses` mean; a new queue if it has none."""
        return next((self[each] for each in addresses if each in self), None) or CommandQueue()

    def claim(self, lane: CommandQueue, addresses: Iterable[str]) -> None:
        """Lead `addresses` to the queue, except those that lead to another queue."""
        for address in addresses:
            if self.setdefault(address, lane) is lane:
                lane.addresses.add(address)

    def end(self, lane: CommandQueue) -> None:
        """Remove an empty queue."""
        for address in lane.addresses:
            del self[address]

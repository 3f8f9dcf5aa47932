"""Queues of one client's commands: those that name one object are carried out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from syncline_protocol.commands import Command

from .results import Answer

__all__ = ["CommandQueue", "CommandQueues"]


@dataclass(slots=True, eq=False)
class CommandQueue:
    """Commands that name one object; the first of them is being carried out.

    Attributes:
        commands: each with the callback for its reply.
        keys: those that are known to mean the object (`Command.key`). They stay until the queue
            ends, even if the object is closed and the session forgets that they belong together.
    """

    commands: deque[tuple[Command, Answer]] = field(default_factory=deque)
    keys: set[str] = field(default_factory=set)


class CommandQueues(dict[str, CommandQueue]):
    """The queues that have commands, by each of their keys."""

    __slots__ = ()

    def of(self, keys: Iterable[str]) -> CommandQueue:
        """The queue of the object that `keys` mean; a new queue if it has none."""
        for key in keys:
            queue = self.get(key)
            if queue is not None:
                return queue
        return CommandQueue()

    def claim(self, queue: CommandQueue, keys: Iterable[str]) -> None:
        """Lead `keys` to the queue, except those that lead to another queue."""
        for key in keys:
            if self.setdefault(key, queue) is queue:
                queue.keys.add(key)

    def end(self, queue: CommandQueue) -> None:
        """Remove an empty queue."""
        for key in queue.keys:
            del self[key]

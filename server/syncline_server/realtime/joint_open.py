"""An `Open` that is carried out together with those of other clients, without a task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from syncline_protocol.commands import Open

from .command_queue import CommandQueue

if TYPE_CHECKING:
    from .session import Session

__all__ = ["JointOpen"]


class JointOpen:
    """The first command of a queue, which waits for its object.

    Attributes:
        asked_at: loop time at which it began to wait.
        is_cancelled: True once the session has ended: nothing is called any more.
    """

    __slots__ = ("_session", "asked_at", "command", "is_cancelled", "queue")

    def __init__(self, session: Session, queue: CommandQueue, command: Open) -> None:
        self._session = session
        self.queue = queue
        self.command = command
        self.asked_at = asyncio.get_running_loop().time()
        self.is_cancelled = False

    def cancel(self) -> None:
        """As `Task.cancel`."""
        self.is_cancelled = True

    def receive(self, outcome: tuple[Any, bool] | Exception | None) -> None:
        """As `objects.headers.Found`."""
        if not self.is_cancelled:
            self._session.receive_found(self, outcome)

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
    """

    __slots__ = ("_session", "asked_at", "command", "queue")

    def __init__(self, session: Session, queue: CommandQueue, command: Open) -> None:
        # None once the session has ended.
        self._session: Session | None = session
        self.queue = queue
        self.command = command
        self.asked_at = asyncio.get_running_loop().time()

    @property
    def is_cancelled(self) -> bool:
        """True once the session has ended: nothing is answered any more."""
        return self._session is None

    def cancel(self) -> None:
        """As `Task.cancel`."""
        session, self._session = self._session, None
        if session is not None:
            session.end_queue(self.queue)

    def receive(self, outcome: tuple[Any, bool] | Exception | None) -> None:
        """As `objects.headers.Found`."""
        if self._session is not None:
            self._session.receive_found(self, outcome)

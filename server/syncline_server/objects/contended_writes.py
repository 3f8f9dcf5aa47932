"""Contended writes: each write of an object or item is one try in its contest (`turns`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import Any, Protocol, TypeGuard, TypeVar, runtime_checkable

from syncline_protocol.commands import Command, Get, Write
from syncline_protocol.errors import Refusal
from syncline_protocol.objects import Header

from . import turns
from .access import Access
from .contests import State, TurnKey

__all__ = ["Client", "ContendedWrites", "Marked", "WriteResult", "blocking", "may_wait", "turn_key"]


class WriteResult(Protocol):
    """The result of a write, for every type (`storage.results.Written`, `items.ItemWritten`)."""

    @property
    def header(self) -> Header:
        """The object after the write."""

    @property
    def state(self) -> State:
        """The object or item that was written, as the next contender receives it."""

    @property
    def repeated(self) -> bool:
        """True if the operation id showed that the write had been applied before."""


@runtime_checkable
class Marked(Protocol):
    """The result of a command that has events."""

    @property
    def marks(self) -> tuple[Hashable, ...]:
        """What the events of the command name (`Event.mark`), and its changes of items."""


_Write = TypeVar("_Write", bound=Write)
_Result = TypeVar("_Result", bound=WriteResult)


class Client(turns.Client, Protocol):
    """The connection of a caller, as far as writes know it."""

    def writing(self, command: Command) -> AbstractContextManager[None]:
        """A context for the commit only, not for the wait for a turn; its exit sees the refusal.

        The client receives no event of the object from here until the reply, because any of them
        may be the event of this write.
        """


def blocking(client: Client | None, command: Command) -> AbstractContextManager[None]:
    """`client.writing`, for a command that does not wait for a turn; also without a client."""
    return nullcontext() if client is None else client.writing(command)


def turn_key(access: Access, command: Write | Get) -> TurnKey:
    """What the command contends for."""
    item = command.item if isinstance(command, Write) else None
    return TurnKey(access.service_sid, command.key, item)


def may_wait(command: Command) -> TypeGuard[Write | Get]:
    """True if the command may wait for its client's turn."""
    return isinstance(command, Write) or (isinstance(command, Get) and command.in_turn)


class ContendedWrites:
    """The writes of all callers to the objects, or items, of one type."""

    def __init__(
        self,
        contests: turns.Turns,
        read: Callable[[Access, str, str | None], Awaitable[Any]],
        refuse: Callable[[Any, Any], Refusal],
    ) -> None:
        """
        Args:
            read: reads the object at an address, or its item, with the caller's rights.
            refuse: makes the refusal of a command that lost, with the newest state.
        """
        self._turns = contests
        self._read = read
        self._refuse = refuse

    async def carry_out(
        self,
        access: Access,
        command: _Write,
        client: Client | None,
        write: Callable[[Access, _Write], Awaitable[_Result]],
    ) -> _Result:
        """Carry out a command by `write`, in turn with its rivals.

        Args:
            client: the caller's connection; None for a caller without one.

        Raises:
            Refusal: as `write`. With `REVISION_MISMATCH`, the newest state that is known in the
                caller's turn, unless it may not read it.
        """
        async with self._turns.contend(
            turn_key(access, command),
            command.if_match,
            identity=access.caller,
            client=client,
            conflates=command.conflates,
        ) as attempt:
            try:
                # 1. Write. The wait for the turn is over: events are blocked for the commit only.
                with blocking(client, command):
                    written = await write(access, command)
            except Refusal as refusal:
                if refusal.newest is None:
                    if refusal.code.status == HTTPStatus.NOT_FOUND:
                        attempt.found_removed()
                    raise
                # 2. If the write lost, wait for the caller's turn. Rivals write during the wait, so
                #    `newest` may be another state than that of the refusal.
                newest = await attempt.lost(refusal.newest)
                if newest is refusal.newest:
                    raise
                raise await self._refusal(access, command, newest) from None
            # 3. Pass the turn on before the reply is sent: the next contender receives this state.
            if not command.removes:
                attempt.won(written.state)
            elif not written.repeated:
                # A repetition is answered as the first: since then another object may have the
                # name, and be contended for.
                attempt.won(None)
        return written

    async def take_turn(self, access: Access, command: Get, client: Client | None) -> Any:
        """Wait for the caller's turn before it writes; returns the newest state then.

        None if it gets none: nobody else contends, it waited too long, or the object was removed.

        Raises:
            Refusal: the caller may not read the state.
        """
        if client is None:
            return None
        key = turn_key(access, command)
        newest = await self._turns.take_turn(key, identity=access.caller, client=client)
        if newest is None:
            return None
        return await self._readable(access, newest, None)

    async def _readable(self, access: Access, newest: State, item: str | None) -> Any:
        """The state that a caller's turn begins with, as far as the caller may read it."""
        if access.reader is not None or access.is_scoped:
            # Promise 6: `newest` was read for a rival, and the caller's right to read may have
            # been revoked during the wait. Read it again with the caller's rights.
            return await self._read(access, newest.sid, item)
        return newest

    async def _refusal(self, access: Access, command: Write, newest: Any) -> Refusal:
        """The refusal of a write that lost, with the newest state in the caller's turn."""
        try:
            if newest is None:
                # Removed during the wait: not found, unless another object has the name now.
                newest = await self._read(access, command.address, command.item)
            else:
                newest = await self._readable(access, newest, command.item)
        except Refusal as gone:
            return gone
        return self._refuse(command, newest)

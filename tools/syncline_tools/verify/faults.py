"""Inflicts what the plan says, and the commands of the user."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from .history import History
from .plan import Fault
from .proxy import Link
from .records import Injected
from .shape import Shape

__all__ = ["COMMAND", "Faults"]

COMMAND = "command"
"""What the history calls a command."""


class Faults:
    """All that goes wrong in one run; used as `async with`."""

    def __init__(
        self,
        history: History,
        links: Mapping[str, Link],
        plan: Sequence[Fault],
        shape: Shape,
        *,
        on_command: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """`on_command` is called as a command begins, with True, and as it ends."""
        self._on_command = on_command
        self._history = history
        self._links = links
        self._plan = plan
        self._shape = shape
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self) -> None:
        """The plan's time begins now."""
        began = self._history.now()
        for client, link in self._links.items():
            faults = [fault for fault in self._plan if fault.client == client]
            self._tasks.append(asyncio.create_task(self._inflict(link, faults, began)))
        commands = self._shape.commands
        for number, command in enumerate(commands, 1):
            at = began + self._shape.duration * number / (len(commands) + 1)
            self._tasks.append(asyncio.create_task(self._run(command, at)))

    async def stop(self) -> float:
        """Wait for what is under way; a command that outlasts the shape's patience is killed.

        Returns:
            when all was over, in the seconds of the history.
        """
        _, late = await asyncio.wait(self._tasks, timeout=self._shape.patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks)
        healed = self._history.now()
        for link in self._links.values():
            await link.replayed()
        return healed

    async def _inflict(self, link: Link, faults: Sequence[Fault], began: float) -> None:
        for fault in faults:
            await self._sleep_until(began + fault.at)
            at = self._history.now()
            detail = link.start_fault(fault)
            self._history.add(
                Injected(
                    at=at,
                    client=fault.client,
                    fault=fault.kind.value,
                    seconds=fault.seconds,
                    detail=detail,
                )
            )
            await asyncio.sleep(fault.seconds)
            link.heal()

    async def _run(self, command: str, at: float) -> None:
        await self._sleep_until(at)
        began = self._history.now()
        self._on_command(True)
        status = await _run_in_shell(command)
        self._on_command(False)
        now = self._history.now()
        self._history.add(
            Injected(
                at=began,
                client=None,
                fault=COMMAND,
                seconds=now - began,
                detail=f"{command} (status {status})",
                failed=status != 0,
            )
        )

    async def _sleep_until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self._history.now()))


async def _run_in_shell(command: str) -> int:
    """Run it to its end, or until this is cancelled, and return its exit status."""
    process = await asyncio.create_subprocess_shell(
        command,
        stdin=asyncio.subprocess.DEVNULL,
        # Ours is for the verdict.
        stdout=sys.stderr.fileno(),
        start_new_session=True,
    )
    try:
        return await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return await process.wait()

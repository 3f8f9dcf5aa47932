"""Progress bar of a long command."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from .failures import printable

__all__ = ["Progress"]


class Progress:
    """A progress bar on stderr, if stderr is a terminal; removed when the `with` block ends."""

    def __init__(self, title: str, total: int | None, visible: bool = True) -> None:
        """
        Args:
            total: sum of the sizes that `advance` will get; None if it is unknown.
            visible: False shows no bar even on a terminal.
        """
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[records]:,} records"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not (visible and sys.stderr.isatty()),
        )
        self._task = self._bar.add_task(title, total=total, records=0)
        self._records = 0

    def advance(self, records: int, size: int) -> None:
        """Add finished records; `size` is their part of the total."""
        self._records += records
        self._bar.update(self._task, advance=size, records=self._records)

    def print_line(self, line: str) -> None:
        """Print a line above the bar; it stays on the terminal."""
        text = f"syncline: {printable(line)}"
        if self._bar.disable:
            click.echo(text, err=True)
        else:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

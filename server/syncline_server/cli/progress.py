"""How far a long command has come, on the terminal of the person who waits for it."""

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
    """A bar on stderr while it is open, if that is a terminal; it is gone afterwards."""

    def __init__(self, title: str, total: int | None, visible: bool = True) -> None:
        """
        Args:
            total: what the sizes given to `advance` add up to; None if that is not known.
            visible: False for no bar, whatever stderr is.
        """
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[documents]:,} documents"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not (visible and sys.stderr.isatty()),
        )
        self._task = self._bar.add_task(title, total=total, documents=0)
        self._documents = 0

    def advance(self, documents: int, size: int) -> None:
        """So many more are done; `size` is their part of the total."""
        self._documents += documents
        self._bar.update(self._task, advance=size, documents=self._documents)

    def tell(self, line: str) -> None:
        """A line for a person to keep, above the bar."""
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

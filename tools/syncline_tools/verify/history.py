"""The history of a run: records in the order in which they happened, in memory and in a file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .encoding import decode, encode
from .records import Record

__all__ = ["History", "read_history"]


class History:
    """Takes records; each is written to a file at once.

    Attributes:
        records: all so far. Bounded by the length of a run and its rate of writes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.records: list[Record] = []
        self._file = file
        self._start = time.monotonic()
        self._writes = 0

    def now(self) -> float:
        """Seconds since this was made."""
        return time.monotonic() - self._start

    def add(self, record: Record) -> None:
        """Keep it."""
        self.records.append(record)
        self._file.write(encode(record))

    def number_write(self) -> int:
        """A number for the next write; from 1."""
        self._writes += 1
        return self._writes


def read_history(path: Path) -> Iterator[Record]:
    """The records of a file.

    Raises:
        ValueError: a line is none.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        yield from map(decode, file)

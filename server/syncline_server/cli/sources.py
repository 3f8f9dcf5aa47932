"""Sources of an import: a server's REST API, or an exported file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, Protocol

import orjson

from syncline import InvalidRequest, RequestError

from .batches import Batch, Batcher
from .export_lines import AnyRecord, from_kind, from_line
from .object_rest import ServiceApi
from .records import End, Unusable
from .walk import Position, ResourcePage, Walk

__all__ = ["Lines", "Listing", "Source", "StalePosition"]

LINE_LIMIT = 8 * 1024 * 1024
"""Maximum bytes in a line; the largest possible document needs less, even if fully escaped."""


class StalePosition(Exception):
    """The source changed, so the position of the earlier run is no longer valid."""


class Source(Protocol):
    """A source of records, which it returns in batches.

    Attributes:
        total: sum of the sizes of all batches; None if it is unknown.
    """

    total: int | None

    def batches(self, position: str | None) -> Iterator[Batch]:
        """The batches after `position`; all batches if it is None.

        Raises:
            StalePosition: `position` is not valid; raised instead of the first batch.
        """


class Listing:
    """The objects of a service over REST.

    A page of objects is a batch. Pages of items and permissions share batches, so that many small
    lists and maps are uploaded in parallel.
    """

    def __init__(self, service: ServiceApi, page_size: int) -> None:
        self.total: int | None = None
        self._walk = Walk(service, page_size)

    def batches(self, position: str | None) -> Iterator[Batch]:
        """As `Source.batches`; also raises what `Collection.page` raises."""
        batcher = Batcher()
        for page in self._pages(None if position is None else Position.parse(position)):
            records = [from_kind(page.kind, resource) for resource in page.resources]
            # A page is never divided: a batch ends where the walk can go on.
            if batcher.batch.units and not (page.is_inside and batcher.fits(*records)):
                yield batcher.take()
            batcher.add(*records)
            batcher.batch.size += len(records)
            batcher.batch.position = page.position.text() if page.position else None
            if batcher.batch.units and not page.is_inside:
                yield batcher.take()
        if batcher.batch.units:
            yield batcher.take()

    def _pages(self, position: Position | None) -> Iterator[ResourcePage]:
        try:
            yield from self._walk.pages(position)
        except RequestError as error:
            if self._walk.is_resumed and isinstance(error, InvalidRequest):
                raise StalePosition from None
            message = f"The source refuses to list its {self._walk.listed}: {error.message}"
            raise type(error)(error.code, error.status, message) from None


class Lines:
    """The lines of an exported file; they can be read once."""

    def __init__(self, file: BinaryIO, status: os.stat_result | None, partial: bool) -> None:
        """
        Args:
            file: the caller closes it.
            status: status of a regular file; None for a stream, in which no position is valid
                later.
            partial: True accepts an export whose last line is missing.
        """
        self.total = status.st_size if status else None
        # Identifies the content: a position is stale once the file was rewritten.
        self._version = f"{status.st_size} {status.st_mtime_ns}" if status else None
        self._file = file
        self._partial = partial
        self._line = 0
        # Records since the last `End` line; None right after an `End` line.
        self._unended: int | None = 0

    def batches(self, position: str | None) -> Iterator[Batch]:
        """As `Source.batches`."""
        if position is not None:
            self._go_to(position)
        batcher = Batcher()
        for record, size in self._records():
            # A record that repeats a name starts a new batch: the units of one batch are uploaded
            # in parallel, so their order would be lost.
            if not batcher.fits(record):
                yield batcher.take()
            batcher.add(record)
            batcher.batch.size += size
            batcher.batch.position = self._position()
        if batcher.batch.units:
            yield batcher.take()

    def _records(self) -> Iterator[tuple[AnyRecord | Unusable, int]]:
        """Each record, and the size of its line in bytes."""
        for line, size in self._lines():
            record = self._read(line, size)
            if record is not None:
                yield record, size
        if self._unended is not None and not self._partial:
            yield (
                Unusable(
                    "the end", "The line that ends an export is missing: the file is incomplete."
                ),
                0,
            )

    def _read(self, line: bytes, size: int) -> AnyRecord | Unusable | None:
        label = f"line {self._line}"
        if size > LINE_LIMIT:
            read: AnyRecord | Unusable | End = Unusable(
                label, f"It is {size} bytes; at most {LINE_LIMIT} are allowed."
            )
        else:
            read = from_line(line, label)
        if not isinstance(read, End):
            self._unended = (self._unended or 0) + 1
            return read
        came, self._unended = self._unended or 0, None
        if came == read.total or self._partial:
            return None
        return Unusable(
            label, f"The export has {read.total} {read.counted}, but the file has {came}."
        )

    def _lines(self) -> Iterator[tuple[bytes, int]]:
        """Each line that is not blank, cut at the limit, and its full size in bytes."""
        while line := self._file.readline(LINE_LIMIT + 1):
            self._line += 1
            size, rest = len(line), line
            while rest and not rest.endswith(b"\n"):
                rest = self._file.readline(LINE_LIMIT)
                size += len(rest)
            if line.strip():
                yield line, size

    def _position(self) -> str | None:
        if self._version is None:
            return None
        return orjson.dumps([self._version, self._line, self._unended]).decode()

    def _go_to(self, position: str) -> None:
        version, line, unended = orjson.loads(position)
        if version != self._version:
            raise StalePosition
        for _ in self._lines():
            if self._line == line:
                break
        self._unended = unended

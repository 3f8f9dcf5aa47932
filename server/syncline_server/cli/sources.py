"""Sources of an import: a server's REST API, or an exported file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

import orjson

from syncline import InvalidRequest, RequestError

from .api import Page
from .records import End, Record, Unusable, from_line, from_resource
from .rest import Documents

__all__ = ["Batch", "Lines", "Listing", "Source", "StalePosition"]

BATCH_DOCUMENTS = 100
"""Maximum number of documents in a batch."""

BATCH_BYTES = 4 * 1024 * 1024
"""A batch ends when its lines reach this many bytes, even with few documents."""

LINE_LIMIT = 8 * 1024 * 1024
"""Maximum bytes in a line; the largest possible document needs less, even if fully escaped."""


class StalePosition(Exception):
    """The source changed, so the position of the earlier run is no longer valid."""


@dataclass(slots=True)
class Batch:
    """Consecutive documents of a source that may be uploaded in parallel.

    No two documents of a batch have the same SID or unique name.

    Attributes:
        position: where the next batch begins, in the format of the source; None after the last
            page, and if the source has no positions.
        size: part of the source's `total` that this batch covers.
    """

    documents: list[Record | Unusable] = field(default_factory=list)
    position: str | None = None
    size: int = 0


class Source(Protocol):
    """A source of documents, which it returns in batches.

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
    """The documents of a service over REST; each page is a batch."""

    def __init__(self, documents: Documents, page_size: int) -> None:
        self.total: int | None = None
        self._documents = documents
        self._first = {"PageSize": str(page_size)}

    def batches(self, position: str | None) -> Iterator[Batch]:
        """As `Source.batches`; also raises what `Documents.page` raises."""
        query: dict[str, str] | None = self._first if position is None else orjson.loads(position)
        resumed = position is not None
        while query is not None:
            page = self._page(query, resumed)
            documents = [from_resource(resource) for resource in page.items]
            query, resumed = page.next, False
            yield Batch(documents, orjson.dumps(query).decode() if query else None, len(documents))

    def _page(self, query: dict[str, str], resumed: bool) -> Page:
        try:
            return self._documents.page(query)
        except RequestError as error:
            if resumed and isinstance(error, InvalidRequest):
                raise StalePosition from None
            message = f"The source refuses to list its documents: {error.message}"
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
        # Documents since the last `End` line; None right after an `End` line.
        self._unended_documents: int | None = 0

    def batches(self, position: str | None) -> Iterator[Batch]:
        """As `Source.batches`."""
        if position is not None:
            self._go_to(position)
        batch, names = Batch(), set[str]()
        for document, size in self._documents():
            own = _names(document)
            full = len(batch.documents) == BATCH_DOCUMENTS or batch.size >= BATCH_BYTES
            # A document that repeats a name starts a new batch: documents of one batch are uploaded
            # in parallel, so their order would be lost.
            if full or names & own:
                yield batch
                batch, names = Batch(), set[str]()
            batch.documents.append(document)
            batch.size += size
            batch.position = self._position()
            names |= own
        if batch.documents:
            yield batch

    def _documents(self) -> Iterator[tuple[Record | Unusable, int]]:
        """Each document, and the size of its line in bytes."""
        for line, size in self._lines():
            document = self._read(line, size)
            if document is not None:
                yield document, size
        if self._unended_documents is not None and not self._partial:
            yield (
                Unusable(
                    "the end", "The line that ends an export is missing: the file is incomplete."
                ),
                0,
            )

    def _read(self, line: bytes, size: int) -> Record | Unusable | None:
        label = f"line {self._line}"
        if size > LINE_LIMIT:
            read: Record | Unusable | End = Unusable(
                label, f"It is {size} bytes; at most {LINE_LIMIT} are allowed."
            )
        else:
            read = from_line(line, label)
        if not isinstance(read, End):
            self._unended_documents = (self._unended_documents or 0) + 1
            return read
        came, self._unended_documents = self._unended_documents or 0, None
        if came == read.documents or self._partial:
            return None
        return Unusable(
            label, f"The export has {read.documents} documents, but the file has {came}."
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
        return orjson.dumps([self._version, self._line, self._unended_documents]).decode()

    def _go_to(self, position: str) -> None:
        version, line, unended = orjson.loads(position)
        if version != self._version:
            raise StalePosition
        for _ in self._lines():
            if self._line == line:
                break
        self._unended_documents = unended


def _names(document: Record | Unusable) -> set[str]:
    """The SID and unique name of a document, those that it has."""
    if isinstance(document, Unusable):
        return set()
    return {name for name in (document.sid, document.unique_name) if name is not None}

"""Where an import takes its documents from: a server's REST API, or the lines of an export."""

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
"""Lines in a batch, at most."""

BATCH_BYTES = 4 * 1024 * 1024
"""Bytes of lines after which a batch ends, however few they are."""

LINE_LIMIT = 8 * 1024 * 1024
"""Bytes in a line; the largest document of the largest limit needs less, however it is escaped."""


class StalePosition(Exception):
    """The source has no such position any more."""


@dataclass(slots=True)
class Batch:
    """Some documents, of which no two are the same.

    Attributes:
        position: what comes after it, in the words of the source; None if there is no telling.
        size: by how much it brings the source nearer to its `total`.
    """

    documents: list[Record | Unusable] = field(default_factory=list)
    position: str | None = None
    size: int = 0


class Source(Protocol):
    """Documents in batches.

    Attributes:
        total: the sum of the sizes of all batches; None if it is not known.
    """

    total: int | None

    def batches(self, position: str | None) -> Iterator[Batch]:
        """What comes after `position`; everything if it is None.

        Raises:
            StalePosition: with the first batch.
        """


class Listing:
    """The documents of a service, by its REST API; a page is a batch."""

    def __init__(self, documents: Documents, page_size: int) -> None:
        self.total: int | None = None
        self._documents = documents
        self._first = {"PageSize": str(page_size)}

    def batches(self, position: str | None) -> Iterator[Batch]:
        """As `Source`; raises also what `Documents` does."""
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
    """The lines of an export; can be gone through once."""

    def __init__(self, file: BinaryIO, status: os.stat_result | None, partial: bool) -> None:
        """
        Args:
            file: closed by the caller.
            status: of the file, if it can be read again from the beginning; else None.
            partial: True takes also what lacks the line that ends an export.
        """
        self.total = status.st_size if status else None
        # A position in a file that was written anew since then means nothing.
        self._version = f"{status.st_size} {status.st_mtime_ns}" if status else None
        self._file = file
        self._partial = partial
        self._line = 0
        # Lines since the last one that ends an export; None right after it.
        self._unended: int | None = 0

    def batches(self, position: str | None) -> Iterator[Batch]:
        """As `Source`."""
        if position is not None:
            self._go_to(position)
        batch, names = Batch(), set[str]()
        for document, size in self._documents():
            own = _names(document)
            full = len(batch.documents) == BATCH_DOCUMENTS or batch.size >= BATCH_BYTES
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
        """Each document, and the bytes of its line."""
        for line, size in self._lines():
            document = self._read(line, size)
            if document is not None:
                yield document, size
        if self._unended is not None and not self._partial:
            yield Unusable("the end", "It lacks the line that ends an export: it was cut short."), 0

    def _read(self, line: bytes, size: int) -> Record | Unusable | None:
        label = f"line {self._line}"
        if size > LINE_LIMIT:
            read: Record | Unusable | End = Unusable(
                label, f"It is {size} bytes; at most {LINE_LIMIT} are allowed."
            )
        else:
            read = from_line(line, label)
        if not isinstance(read, End):
            self._unended = (self._unended or 0) + 1
            return read
        came, self._unended = self._unended or 0, None
        if came == read.documents or self._partial:
            return None
        return Unusable(label, f"{read.documents} documents were exported, but {came} came.")

    def _lines(self) -> Iterator[tuple[bytes, int]]:
        """Each line that is not blank, no longer than allowed, and its whole size in bytes."""
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


def _names(document: Record | Unusable) -> set[str]:
    """By what it is told from others."""
    if isinstance(document, Unusable):
        return set()
    return {name for name in (document.sid, document.unique_name) if name is not None}

"""The open connections of all workers of this server."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from syncline_protocol.dates import format_milliseconds
from syncline_server.observability.worker_queries import WorkerQueries
from syncline_server.storage.paging import Cursor, Page

from .connections import ConnectionRegistry, Description

__all__ = ["ConnectionDirectory", "ConnectionFilter", "time_of_id"]


@dataclass(frozen=True, slots=True)
class ConnectionFilter:
    """Which connections are wanted; None for all.

    Attributes:
        identity: the beginning of their identity.
    """

    identity: str | None = None
    service_sid: str | None = None

    def fits(self, described: Description) -> bool:
        """True if the connection is wanted."""
        return (self.service_sid in (None, described.service_sid)) and (
            self.identity is None or (described.identity or "").startswith(self.identity)
        )


class ConnectionDirectory:
    """Lists the connections of all workers in the order in which they were opened."""

    def __init__(
        self, connections: ConnectionRegistry, worker: int, count: int, run_dir: Path | None
    ) -> None:
        """
        Args:
            connections: those of this process.
            worker, count, run_dir: as in `WorkerQueries`.
        """
        self._connections = connections
        self._worker = worker
        self._queries = WorkerQueries(self._answer, worker, count, run_dir, kind="who")

    async def start(self) -> None:
        """Begin to answer the other workers."""
        await self._queries.start()

    async def stop(self) -> None:
        """Stop answering."""
        await self._queries.stop()

    async def page(
        self, size: int, token: str | None, wanted: ConnectionFilter
    ) -> tuple[Page[dict[str, Any]], list[int]]:
        """At most `size` connections, and the numbers of workers that did not answer.

        Raises:
            Refusal: `INVALID_PAGE_TOKEN`.
        """
        cursor = Cursor.parse(token)
        # Only forwards: every page begins after the last connection of the one before.
        asked = {"after": cursor.key, "count": size + 1, **asdict(wanted)}
        own, answers = await asyncio.gather(
            self._list(asked), self._queries.ask(orjson.dumps({"list": asked}))
        )
        found, silent = list(own), []
        for number, encoded in answers.items():
            listed = _decoded(encoded)
            if isinstance(listed, list):
                found += listed
            else:
                silent.append(number)
        found.sort(key=_id_of)
        page = cursor.cut(found[: size + 1], size, _id_of)
        return Page(page.items, None, page.next), silent

    async def disconnect(self, id_: str) -> dict[str, Any] | None:
        """Close a connection. Returns what it was; None if no worker has it."""
        if (described := self._connections.disconnect(id_)) is not None:
            return asdict(described)
        answers = await self._queries.ask(orjson.dumps({"disconnect": id_}))
        return next((each for each in map(_decoded, answers.values()) if each), None)

    async def _answer(self, question: bytes) -> bytes:
        match orjson.loads(question):
            case {"list": asked}:
                return orjson.dumps(await self._list(asked))
            case {"disconnect": id_}:
                described = self._connections.disconnect(id_)
                return orjson.dumps(None if described is None else asdict(described))
        raise ValueError("the question of another worker is unknown")

    async def _list(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        wanted = ConnectionFilter(asked["identity"], asked["service_sid"])
        found = await self._connections.described(asked["after"], asked["count"], wanted.fits)
        return [{"id": name, "worker": self._worker, **asdict(each)} for name, each in found]


def time_of_id(id_: str) -> str:
    """When the connection with this id was opened."""
    return format_milliseconds(int(id_[2:18], 16) // 1_000_000)


def _id_of(described: dict[str, Any]) -> str:
    id_: str = described["id"]
    return id_


def _decoded(encoded: bytes | None) -> Any:
    """The value that a worker answered; None if it did not, or if the answer was cut off."""
    try:
        return None if encoded is None else orjson.loads(encoded)
    except ValueError:
        return None

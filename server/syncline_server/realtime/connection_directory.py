"""The open connections of all servers of the data set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from syncline_protocol.dates import format_milliseconds
from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.worker_queries import WorkerQueries
from syncline_server.pubsub.server_queries import ServerQueries
from syncline_server.storage.paging import Cursor, Page
from syncline_server.storage.servers import Member

from .connections import ConnectionRegistry, Description

__all__ = ["ConnectionDirectory", "ConnectionFilter", "ConnectionPage", "time_of_id"]


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


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """One page of connections, and who is missing from it.

    Attributes:
        silent_workers: numbers of workers of this server that did not answer.
        silent_servers: names of other servers of which a process did not answer.
    """

    page: Page[dict[str, Any]]
    silent_workers: list[int]
    silent_servers: list[str]


class ConnectionDirectory:
    """Lists the connections of all servers in the order in which they were opened.

    Other workers of this server are asked through their sockets, other servers through Redis.
    """

    def __init__(
        self,
        connections: ConnectionRegistry,
        own: Member,
        workers: WorkerQueries,
        servers: ServerQueries | None = None,
    ) -> None:
        """
        Args:
            connections: those of this process.
            own: this process.
            workers, servers: ask the others; None if there can be no other server.
        """
        self._connections = connections
        self._own = own
        self._workers = workers
        self._servers = servers

    async def page(self, size: int, token: str | None, wanted: ConnectionFilter) -> ConnectionPage:
        """At most `size` connections.

        Raises:
            Refusal: `INVALID_PAGE_TOKEN`; as `ServerQueries.ask`.
        """
        cursor = Cursor.parse(token)
        # Only forwards: every page begins after the last connection of the one before.
        asked = {"after": cursor.key, "count": size + 1, **asdict(wanted)}
        question = orjson.dumps({"list": asked})
        own, workers, servers = await asyncio.gather(
            self._list(asked), self._workers.ask(question), self._ask_servers(question)
        )
        found, silent_workers, silent_servers = own.rows, [], set()
        # Where answers were cut short, rows of others beyond their ends must wait.
        ends: list[str] = []
        for number, encoded in workers.items():
            if (listed := _Listed.decode(encoded)) is None:
                silent_workers.append(number)
            else:
                found += listed.rows
        for member, encoded in servers.items():
            if (listed := _Listed.decode(encoded)) is None:
                silent_servers.add(member.name)
            else:
                found += listed.rows
                ends += [_id_of(listed.rows[-1])] if listed.more else []
        found.sort(key=_id_of)
        end = min(ends, default=None)
        usable = len(found) if end is None else sum(_id_of(each) <= end for each in found)
        page = cursor.cut(found[: size + 1], min(size, usable), _id_of)
        following = page.next
        if following is None and ends:
            following = cursor.cut([*page.items, {}], len(page.items), _id_of).next
        return ConnectionPage(
            Page(page.items, None, following), silent_workers, sorted(silent_servers)
        )

    async def disconnect(self, id_: str) -> dict[str, Any] | None:
        """Close a connection, wherever it is. Returns what it was; None if no process has it.

        Raises:
            Refusal: `UNAVAILABLE`, if a process that may have it did not answer; as
                `ServerQueries.ask`.
        """
        if (described := self._connections.disconnect(id_)) is not None:
            return {"server": self._own.name, **asdict(described)}
        question = orjson.dumps({"disconnect": id_})
        workers = await self._workers.ask(question)
        silent = [f"worker {n} of this server" for n, each in workers.items() if each is None]
        found = [_value_of(each) for each in workers.values() if each is not None]
        if not any(found):
            servers = await self._ask_servers(question, lambda each: id_.endswith(each.process))
            silent += [f"the server {m.name}" for m, each in servers.items() if each is None]
            found = [_value_of(each) for each in servers.values() if each is not None]
        described_there: dict[str, Any] | None = next(filter(None, found), None)
        if described_there is None and silent:
            raise Refusal(
                Code.UNAVAILABLE,
                f"No answer came in time from {', '.join(silent[:3])}, which may have the "
                "connection; it may be closed or not. Try again.",
            )
        return described_there

    async def answer(self, question: bytes, limit: int | None = None) -> bytes:
        """The answer of this process to a question of another one.

        `limit`: bytes that the answer should not exceed; None for no limit.
        """
        match orjson.loads(question):
            case {"list": asked}:
                return (await self._list(asked)).encode(limit)
            case {"disconnect": id_}:
                described = self._connections.disconnect(id_)
                if described is None:
                    return b"null"
                return orjson.dumps({"server": self._own.name, **asdict(described)})
        raise ValueError("the question of another process is unknown")

    async def _ask_servers(
        self, question: bytes, only: Callable[[Member], bool] = lambda _: True
    ) -> Mapping[Member, bytes | None]:
        return {} if self._servers is None else await self._servers.ask(question, only)

    async def _list(self, asked: dict[str, Any]) -> _Listed:
        wanted = ConnectionFilter(asked["identity"], asked["service_sid"])
        found = await self._connections.described(asked["after"], asked["count"], wanted.fits)
        place = {"server": self._own.name, "worker": self._own.worker}
        return _Listed([{"id": name, **place, **asdict(each)} for name, each in found])


@dataclass(slots=True)
class _Listed:
    """Connections of one process, the first ones of those that are wanted.

    Attributes:
        more: True if an answer could not have all that it was asked for.
    """

    rows: list[dict[str, Any]]
    more: bool = False

    def encode(self, limit: int | None) -> bytes:
        """The answer: as many rows as fit into `limit` bytes, and the first one in any case."""
        encoded: list[bytes] = []
        size = 0
        for row in map(orjson.dumps, self.rows):
            size += len(row) + 1
            if limit is not None and encoded and size > limit:
                break
            encoded.append(row)
        more = orjson.dumps(len(encoded) < len(self.rows))
        return b'{"rows":[%s],"more":%s}' % (b",".join(encoded), more)

    @classmethod
    def decode(cls, encoded: bytes | None) -> _Listed | None:
        """The answer of another process; None if there is none, or if it was cut off."""
        match _value_of(encoded):
            case {"rows": list(rows), "more": bool(more)}:
                return cls(rows, more and bool(rows))
        return None


def time_of_id(id_: str) -> str:
    """When the connection with this id was opened."""
    return format_milliseconds(int(id_[2:18], 16) // 1_000_000)


def _id_of(described: dict[str, Any]) -> str:
    id_: str = described["id"]
    return id_


def _value_of(encoded: bytes | None) -> Any:
    """The value that a process answered; None if it did not, or if the answer was cut off."""
    try:
        return None if encoded is None else orjson.loads(encoded)
    except ValueError:
        return None

"""One run, from the first look at the server to the last read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from ssl import SSLContext
from typing import Protocol, TypeVar

from syncline import SynclineError
from syncline.options import Server
from syncline_protocol import __version__

from .application import Application
from .client import WireClient
from .direct import Direct
from .faults import Faults
from .history import History
from .items.observer import MakeObserver
from .items.run import ItemVerification
from .plan import make_plan
from .proxy import Link, Target
from .records import Ended, Joined, Read, Stalled, Started
from .shape import DOCUMENTS, Shape
from .slots import Subscriber
from .twilsock import TwilsockSubscriber
from .workload import Workload

__all__ = ["WIRES", "Verification"]

T = TypeVar("T")
C = TypeVar("C", bound=Subscriber)

WIRES: dict[str, Callable[..., Subscriber]] = {
    "native": partial(WireClient, "websocket"),
    "rest": partial(WireClient, "rest"),
    "twilsock": TwilsockSubscriber,
    "python": Application,
}
"""The kinds of clients: two that speak a bare wire, an SDK of the vendor, and the Python client."""

LOSERS = ("loser-1", "loser-2", "loser-3")
"""Clients that lose conditional writes on purpose, with the native protocol, over links to which
nothing happens."""

WATCH_INTERVAL = 0.05
STALL = 0.02
"""Seconds between looks at the event loop, and its delay that the history names."""

REQUESTS_AT_ONCE = 16

CLEANING_TIMEOUT = 10.0

READINGS = 3
"""Times that the final state is read: what was under way may still change it."""


class _Workload(Protocol):
    """What is written to documents, or to lists, maps and streams."""

    async def prepare(self) -> None: ...

    def start(self) -> None: ...

    async def stop(self, patience: float) -> None: ...


class Verification:
    """Everything of one run."""

    def __init__(
        self,
        url: str,
        service: str,
        token: Callable[[], str],
        shape: Shape,
        *,
        history: History,
        tls: SSLContext | None = None,
        observers: Sequence[MakeObserver] = (),
    ) -> None:
        """
        Args:
            url: base URL of the server.
            service: SID or unique name.
            token: returns an access token; asked at each connect.
            history: gets all that happens.
            tls: how the server's certificate is checked; None is as usual.
            observers: make clients that receive events of items.
        """
        self._url = Server.parse(url).http_url
        self._service = service
        self._token = token
        self._shape = shape
        self._history = history
        self._tls = tls
        self._changed = asyncio.Event()
        self._links: dict[str, Link] = {}
        self._subscribers: list[Subscriber] = []
        self._losers: list[WireClient] = []
        self._documents: Workload | None = None
        self._items: ItemVerification | None = None
        if shape.types - {DOCUMENTS}:
            self._items = ItemVerification(
                service, token, shape, history=history, observers=observers
            )

    async def run(self) -> None:
        """Carry it out; the documents that it made are removed.

        Raises:
            httpx2.TransportError, ConnectionLost: the server cannot be reached, or did not come
                back.
            RequestError: it refuses what a run needs.
        """
        async with AsyncExitStack() as stack:
            direct = await stack.enter_async_context(
                Direct(self._url, self._service, self._token, self._tls)
            )
            await direct.check()
            self._record_start()
            target = Target.parse(self._url, self._tls)
            names = self._names()
            for name in [*names, *LOSERS] if DOCUMENTS in self._shape.types else names:
                self._links[name] = await stack.enter_async_context(Link(target))
            workloads = await self._join_all(direct, stack)
            watching = asyncio.create_task(self._watch_loop())
            stack.callback(watching.cancel)
            for workload in workloads:
                await workload.prepare()
            await self._carry_out(workloads, direct)

    async def _join_all(self, direct: Direct, stack: AsyncExitStack) -> list[_Workload]:
        """Connect all clients; the workloads of the types that the run is about."""
        workloads: list[_Workload] = []
        if DOCUMENTS in self._shape.types:
            self._documents = await self._join_documents(direct, stack)
            workloads.append(self._documents)
            stack.push_async_callback(self._clean_up, self._documents, direct)
        if self._items is not None:
            await self._items.join(direct, self._links, stack)
            workloads.append(self._items.workload)
            stack.push_async_callback(self._clean_up_items, self._items, direct)
        return workloads

    async def _join_documents(self, direct: Direct, stack: AsyncExitStack) -> Workload:
        for name in self._document_names():
            wire = name.rpartition("-")[0]
            self._subscribers.append(await self._join(name, wire, WIRES[wire], stack))
        native = partial(WireClient, "websocket")
        for name in LOSERS:
            self._losers.append(await self._join(name, "native", native, stack))
        return Workload(
            self._shape,
            self._history,
            direct,
            subscribers=self._subscribers,
            losers=self._losers,
        )

    def _names(self) -> list[str]:
        """Of all clients that have faults."""
        names = self._document_names() if DOCUMENTS in self._shape.types else []
        return names if self._items is None else names + self._items.names()

    def _document_names(self) -> list[str]:
        """Of those that write documents; each begins with its wire."""
        numbers = range(1, self._shape.clients + 1)
        return [f"{wire}-{number}" for wire in WIRES for number in numbers]

    async def _join(self, name: str, wire: str, make: Callable[..., C], stack: AsyncExitStack) -> C:
        """Connect a client over its link."""
        self._history.add(Joined(at=self._history.now(), client=name, wire=wire))
        client = make(
            name,
            self._links[name].url,
            self._token,
            history=self._history,
            on_change=self._changed.set,
        )
        await client.open()
        stack.push_async_callback(client.close)
        return client

    async def _watch_loop(self) -> None:
        """Put into the history where this process itself was late."""
        while True:
            before = self._history.now()
            await asyncio.sleep(WATCH_INTERVAL)
            now = self._history.now()
            late = now - before - WATCH_INTERVAL
            if late > STALL:
                self._history.add(Stalled(at=now, seconds=late))

    async def _clean_up(self, workload: Workload, direct: Direct) -> None:
        await workload.end()
        await _within(CLEANING_TIMEOUT, _each(workload.documents, direct.remove))

    async def _clean_up_items(self, items: ItemVerification, direct: Direct) -> None:
        await _within(CLEANING_TIMEOUT, items.clean_up(direct))

    def _record_start(self) -> None:
        shape = self._shape
        self._history.add(
            Started(
                at=self._history.now(),
                version=__version__,
                url=self._url,
                date=datetime.now(UTC).isoformat(timespec="seconds"),
                seed=shape.seed,
                duration=shape.duration,
                faults=[kind.value for kind in shape.faults],
            )
        )

    async def _carry_out(self, workloads: list[_Workload], direct: Direct) -> None:
        shape = self._shape
        plan = make_plan(shape.seed, shape.duration, shape.faults, self._names())
        async with Faults(
            self._history, self._links, plan, shape, on_command=self._on_command
        ) as faults:
            for workload in workloads:
                workload.start()
            faults.start()
            await asyncio.sleep(shape.duration)
            healed = await faults.stop()
            await asyncio.gather(*(workload.stop(shape.patience) for workload in workloads))
        if self._documents is not None:
            await self._converge(self._documents)
        if self._items is not None:
            await self._items.converge(direct)
        self._history.add(Ended(at=self._history.now(), healed=healed))

    def _on_command(self, begins: bool) -> None:
        if self._documents is not None:
            self._documents.record_command(begins)

    async def _converge(self, workload: Workload) -> None:
        """Wait until all have seen the final state, or for so long as they may take."""
        for _ in range(READINGS):
            reads = await _each(workload.documents, lambda document: workload.read(document, True))
            if _agree(workload, reads):
                return
            try:
                async with asyncio.timeout(self._shape.patience / READINGS):
                    while not _agree(workload, reads):
                        self._changed.clear()
                        await self._changed.wait()
            except TimeoutError:
                pass


async def _within(seconds: float, cleaning: Awaitable[object]) -> None:
    """Clean up, without waiting for a server that went away permanently: what is left expires."""
    with suppress(TimeoutError, SynclineError):
        async with asyncio.timeout(seconds):
            await cleaning


def _agree(workload: Workload, reads: Iterable[Read]) -> bool:
    return all(
        follower.sight.agrees(read.document, read.revision)
        for read in reads
        for follower in workload.documents[read.document]
    )


async def _each(documents: Iterable[str], work: Callable[[str], Awaitable[T]]) -> list[T]:
    slots = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def carry_out(document: str) -> T:
        async with slots:
            return await work(document)

    return await asyncio.gather(*map(carry_out, documents))

"""One look at all processes of a server: each answers the others on a Unix socket of its own.

Whoever is asked by Prometheus asks the others, at once and for a bounded time. One that does not
answer is left out, and said to be down.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import orjson
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.samples import Sample

from .prometheus import Telemetry

__all__ = ["WorkerMetrics"]

PATIENCE = 1.0
"""Seconds that the others have to answer; scrapes usually give up after ten."""


class WorkerMetrics:
    """What the processes of a server count, each sample with the label `worker`."""

    def __init__(self, own: Telemetry, count: int, directory: Path | None) -> None:
        """
        Args:
            own: what this process counts; its `worker` is from 0 to `count` - 1.
            count: how many processes there are.
            directory: where they have their sockets, accessible to nobody else; None for one that
                serves alone.
        """
        self._own = own
        everybody = range(0 if directory is None else count)
        self._others = [number for number in everybody if number != own.worker]
        self._directory = directory
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Answer the others, in the place of a process that had the same number before."""
        if self._directory is not None:
            listener = _listen(self._socket_of(self._directory, self._own.worker))
            self._server = await asyncio.start_unix_server(self._answer, sock=listener)

    async def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def families(self) -> list[Metric]:
        """Those of all who answer, and who does."""
        own = await self._own.collect()
        told = await asyncio.gather(*map(self._ask, self._others))
        up = GaugeMetricFamily(
            "syncline_worker_up", "1 while a worker tells what it counts.", labels=["worker"]
        )
        up.add_metric([str(self._own.worker)], 1)
        for number, families in zip(self._others, told, strict=True):
            up.add_metric([str(number)], families is not None)
        return [*_merged(own, *(families for families in told if families)), up]

    async def _ask(self, number: int) -> list[Metric] | None:
        """What another process counts; None if it does not say so in time."""
        assert self._directory is not None
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_unix_connection(
                    self._socket_of(self._directory, number)
                )
                try:
                    return _decode(await reader.read())
                finally:
                    writer.close()
        except (OSError, ValueError):
            return None

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_encode(await self._own.collect()))
        writer.close()

    def _socket_of(self, directory: Path, number: int) -> str:
        return str(directory / f"{number}.sock")


def _listen(path: str) -> socket.socket:
    """A socket at that path, which leads from one that listened there to the new one at once."""
    listener = socket.socket(socket.AF_UNIX)
    beside = f"{path}.new"
    Path(beside).unlink(missing_ok=True)
    listener.bind(beside)
    listener.listen()
    listener.setblocking(False)
    os.replace(beside, path)
    return listener


def _encode(families: Iterable[Metric]) -> bytes:
    return orjson.dumps(
        [
            [each.name, each.documentation, each.type, [sample[:3] for sample in each.samples]]
            for each in families
        ]
    )


def _decode(told: bytes) -> list[Metric]:
    """Raises `ValueError` where a process ended midway."""
    families = []
    for name, documentation, kind, samples in orjson.loads(told):
        family = Metric(name, documentation, kind)
        family.samples = [Sample(*sample) for sample in samples]
        families.append(family)
    return families


def _merged(*processes: list[Metric]) -> list[Metric]:
    """One family of each name: the text formats allow no second."""
    merged: dict[str, Metric] = {}
    for family in chain(*processes):
        if family.name in merged:
            merged[family.name].samples.extend(family.samples)
        else:
            merged[family.name] = family
    return list(merged.values())

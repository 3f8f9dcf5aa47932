"""Metrics of all worker processes in one scrape; each serves its own on a Unix socket.

The worker that Prometheus scrapes queries the others concurrently, with a timeout. A worker that
does not answer is reported as down, without metrics.
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

from .prometheus import ProcessMetrics

__all__ = ["WorkerMetrics"]

ANSWER_TIMEOUT = 1.0
"""Seconds for the other workers to answer; scrapes usually time out after ten."""


class WorkerMetrics:
    """The metrics of all workers, each sample with the label `worker`."""

    def __init__(self, own: ProcessMetrics, count: int, directory: Path | None) -> None:
        """
        Args:
            own: metrics of this process; its `worker` is from 0 to `count` - 1.
            count: number of workers.
            directory: directory of the workers' sockets, accessible only to this user; None for a
                single process.
        """
        self._own = own
        everybody = range(0 if directory is None else count)
        self._others = [number for number in everybody if number != own.worker]
        self._directory = directory
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to answer the others, replacing an earlier process with the same number."""
        if self._directory is not None:
            listener = _listen(self._socket_of(self._directory, self._own.worker))
            self._server = await asyncio.start_unix_server(self._answer, sock=listener)

    async def stop(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def families(self) -> list[Metric]:
        """The metrics of all workers that answer, and `syncline_worker_up` for each worker."""
        own = await self._own.collect()
        answers = await asyncio.gather(*map(self._fetch_metrics, self._others))
        up = GaugeMetricFamily(
            "syncline_worker_up", "1 while a worker answers with its metrics.", labels=["worker"]
        )
        up.add_metric([str(self._own.worker)], 1)
        for number, families in zip(self._others, answers, strict=True):
            up.add_metric([str(number)], families is not None)
        return [*_merged(own, *(families for families in answers if families)), up]

    async def _fetch_metrics(self, number: int) -> list[Metric] | None:
        """The metrics of another worker; None if it does not answer in time."""
        assert self._directory is not None
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
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
    """Listen at `path`. The rename replaces an existing socket atomically, so that a query always
    finds a listener."""
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


def _decode(encoded: bytes) -> list[Metric]:
    """Parse the result of `_encode`. Raises `ValueError` for a reply that was cut off."""
    families = []
    for name, documentation, kind, samples in orjson.loads(encoded):
        family = Metric(name, documentation, kind)
        family.samples = [Sample(*sample) for sample in samples]
        families.append(family)
    return families


def _merged(*processes: list[Metric]) -> list[Metric]:
    """Merge families with the same name: the text formats allow each name only once."""
    merged: dict[str, Metric] = {}
    for family in chain(*processes):
        if family.name in merged:
            merged[family.name].samples.extend(family.samples)
        else:
            merged[family.name] = family
    return list(merged.values())

"""Metrics of all worker processes in one scrape; each serves its own on a Unix socket.

The worker that Prometheus scrapes queries the others concurrently, with a timeout. A worker that
does not answer is reported as down, without metrics.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import orjson
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.samples import Sample

from .prometheus import ProcessMetrics
from .worker_queries import WorkerQueries

__all__ = ["WorkerMetrics"]


class WorkerMetrics:
    """The metrics of all workers, each sample with the label `worker`."""

    def __init__(self, own: ProcessMetrics, count: int, directory: Path | None) -> None:
        """
        Args:
            own: metrics of this process; its `worker` is from 0 to `count` - 1.
            count: number of workers.
            directory: as in `WorkerQueries`.
        """
        self._own = own
        self._queries = WorkerQueries(self._answer, own.worker, count, directory)

    async def start(self) -> None:
        """As in `WorkerQueries`."""
        await self._queries.start()

    async def stop(self) -> None:
        """As in `WorkerQueries`."""
        await self._queries.stop()

    async def families(self) -> list[Metric]:
        """The metrics of all workers that answer, and `syncline_worker_up` for each worker."""
        own = await self._own.collect()
        answers = {
            number: _decoded(encoded) for number, encoded in (await self._queries.ask()).items()
        }
        up = GaugeMetricFamily(
            "syncline_worker_up", "1 while a worker answers with its metrics.", labels=["worker"]
        )
        up.add_metric([str(self._own.worker)], 1)
        for number, families in answers.items():
            up.add_metric([str(number)], families is not None)
        return [*_merged(own, *(families for families in answers.values() if families)), up]

    async def _answer(self, _: bytes) -> bytes:
        return _encode(await self._own.collect())


def _encode(families: Iterable[Metric]) -> bytes:
    return orjson.dumps(
        [
            [each.name, each.documentation, each.type, [sample[:3] for sample in each.samples]]
            for each in families
        ]
    )


def _decoded(encoded: bytes | None) -> list[Metric] | None:
    """Parse the result of `_encode`; None for no reply, or one that was cut off."""
    try:
        return None if encoded is None else _decode(encoded)
    except ValueError:
        return None


def _decode(encoded: bytes) -> list[Metric]:
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

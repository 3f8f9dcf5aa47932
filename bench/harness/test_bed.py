"""A running target with its own Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .load import Load
from .processes import Process, free_ports
from .redis import start_redis
from .target import Site, Target

__all__ = ["Run", "TestBed", "running_test_bed"]


@dataclass(frozen=True)
class Run:
    """Result of a period of load.

    Attributes:
        result: counts of the load client.
        cpu: CPU seconds of the server.
        redis_cpu: CPU seconds of its Redis.
    """

    result: dict[str, Any]
    cpu: float
    redis_cpu: float


@dataclass(frozen=True)
class TestBed:
    """A target that is ready for load.

    Attributes:
        redis_site: a copy of `site` with the port of Redis, for clients of Redis.
    """

    target: Target
    site: Site
    process: Process
    redis: Process
    redis_site: Site

    def load(self, script: list[str], *, connecting: int = 100) -> Load:
        """Start a load client and connect it."""
        return Load(self.site.directory, script, connecting=connecting)

    def measure(self, load: Callable[[], dict[str, Any]]) -> Run:
        """Run the load, and measure the CPU time that it costs."""
        cpu, redis_cpu = self.process.cpu(), self.redis.cpu()
        result = load()
        return Run(result, self.process.cpu() - cpu, self.redis.cpu() - redis_cpu)


@contextmanager
def running_test_bed(target: Target, documents: int, appendfsync: str) -> Iterator[TestBed]:
    """Run a target and its Redis within the block.

    Raises:
        RuntimeError: the target did not start.
    """
    with TemporaryDirectory(prefix="bench-") as made:
        directory = Path(made)
        port = free_ports()
        redis_port = port + 9
        redis = start_redis(redis_port, directory / "redis", appendfsync)
        try:
            own = directory / "target"
            own.mkdir()
            site = Site(port, f"redis://127.0.0.1:{redis_port}", own, documents)
            process = Process(target.command(site), port, directory / "log")
            try:
                target.prepare(site)
                yield TestBed(target, site, process, redis, replace(site, port=redis_port))
            finally:
                process.stop()
        finally:
            redis.stop()

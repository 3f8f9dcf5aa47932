"""A Redis Cluster of masters alone, whose processor time is measured together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from .processes import Process, free_ports
from .redis import bus_port, start_redis

__all__ = ["Cluster", "running_cluster"]

SLOTS = 16_384
TIMEOUT = 30.0


@dataclass(frozen=True)
class Cluster:
    """The shards of a running Cluster."""

    url: str
    shards: list[Process]

    def cpu(self) -> list[float]:
        """CPU seconds so far of each shard."""
        return [shard.cpu() for shard in self.shards]


@contextmanager
def running_cluster(shards: int, directory: Path, appendfsync: str) -> Iterator[Cluster]:
    """Run a Cluster within the block.

    Raises:
        RuntimeError: the Cluster was not ready in time.
    """
    ports = [free_ports() for _ in range(shards)]
    with ExitStack() as stack:
        processes = []
        for port in ports:
            own = directory / f"shard-{port}"
            processes.append(start_redis(port, own, appendfsync, cluster=True))
            stack.callback(processes[-1].stop)
        nodes = [stack.enter_context(Redis(port=port, protocol=2)) for port in ports]
        for number, node in enumerate(nodes):
            first, last = number * SLOTS // shards, (number + 1) * SLOTS // shards - 1
            _ask(node, "CLUSTER ADDSLOTSRANGE", first, last)
            if number:
                _ask(node, "CLUSTER MEET", "127.0.0.1", ports[0], bus_port(ports[0]))
        deadline = time.monotonic() + TIMEOUT
        while not all(_is_ready(node, shards) for node in nodes):
            if time.monotonic() > deadline:
                raise RuntimeError("the Cluster was not ready in time")
            time.sleep(0.05)
        addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
        yield Cluster(f"redis+cluster://{addresses}", processes)


def _is_ready(node: Redis, shards: int) -> bool:
    info = _ask(node, "CLUSTER INFO")
    return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == shards


def _ask(node: Redis, *command: str | int) -> Any:
    return node.execute_command(*command)  # type: ignore[no-untyped-call]

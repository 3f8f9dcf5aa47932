"""Starts a Redis for a target, as durable as the one that Syncline embeds."""

from __future__ import annotations

import subprocess
from pathlib import Path

from syncline_server.config.child_environ import ALLOCATOR
from syncline_server.storage.redis import embedded

from .processes import Process
from .target import Command

__all__ = ["bus_port", "redis_version", "start_redis"]


def bus_port(port: int) -> int:
    """Port of a Cluster node's bus."""
    return port + 1


def redis_version() -> str:
    """Output of `redis-server --version`."""
    command = [str(embedded._find_binary()), "--version"]
    said: str = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return said.strip()


def start_redis(port: int, directory: Path, appendfsync: str, *, cluster: bool = False) -> Process:
    """Start an empty Redis; `appendfsync` is `always`, `everysec` or `no`.

    Args:
        cluster: whether it is a node of a Cluster, with its bus on the port after its own.
    """
    directory.mkdir()
    settings = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": appendfsync,
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    if cluster:
        settings |= {"cluster-enabled": "yes", "cluster-port": str(bus_port(port))}
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    limits = ["--client-output-buffer-limit", "pubsub", "256mb", "64mb", "60"]
    argv = [str(embedded._find_binary()), *words, *limits]
    return Process(Command(argv, ALLOCATOR), port, directory / "redis.log")

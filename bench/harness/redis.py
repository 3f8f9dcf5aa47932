"""Starts a Redis for a target, as durable as the one that Syncline embeds."""

from __future__ import annotations

import subprocess
from pathlib import Path

from syncline_server.config.child_environ import ALLOCATOR
from syncline_server.storage.redis import embedded

from .processes import Process
from .target import Command

__all__ = ["redis_version", "start_redis"]


def redis_version() -> str:
    """Output of `redis-server --version`."""
    command = [str(embedded._find_binary()), "--version"]
    said: str = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return said.strip()


def start_redis(port: int, directory: Path, appendfsync: str) -> Process:
    """Start an empty Redis; `appendfsync` is `always`, `everysec` or `no`."""
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
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    limits = ["--client-output-buffer-limit", "pubsub", "256mb", "64mb", "60"]
    argv = [str(embedded._find_binary()), *words, *limits]
    return Process(Command(argv, ALLOCATOR), port, directory / "redis.log")

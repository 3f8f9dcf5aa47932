"""A master, a replica of it, and a Sentinel that watches both."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path
from typing import Any

from syncline_server.storage.redis import embedded
from syncline_server.storage.redis.connection import ConnectionBroken

from .cluster import PATIENCE, ClusterNode, free_ports

__all__ = ["Watched"]

NAME = "mymaster"


class Watched:
    """Started by `start`, ended by `stop`."""

    def __init__(self, directory: Path) -> None:
        ports = free_ports(3)
        self.master, self.replica, self.sentinel = (
            ClusterNode(port, directory / f"redis{port}") for port in ports
        )

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{NAME}"

    async def start(self) -> None:
        self._start(self.master)
        self._start(self.replica, "--replicaof", f"127.0.0.1 {self.master.port}")
        async with asyncio.timeout(PATIENCE):
            while b"master_link_status:up" not in await self.replica.ask("INFO", "replication"):
                await asyncio.sleep(0.02)
        self._start_sentinel()
        async with asyncio.timeout(PATIENCE):
            while not await self._asked("SENTINEL", "REPLICAS", NAME):
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        for node in (self.sentinel, self.master, self.replica):
            if node.process is not None:
                node.process.kill()
                node.process.wait()

    def pause_master(self) -> None:
        """It answers nobody, and keeps its connections: a machine that hangs."""
        self.master.signal(signal.SIGSTOP)

    async def until_promoted(self) -> None:
        """Return when the replica is the master."""
        async with asyncio.timeout(PATIENCE):
            while not await self._is_promoted():
                await asyncio.sleep(0.05)

    async def _is_promoted(self) -> bool:
        try:
            return b"role:master" in await self.replica.ask("INFO", "replication")
        except ConnectionBroken:
            # A replica drops its clients when it becomes a master.
            return False

    async def _asked(self, *command: str) -> Any:
        return await self.sentinel.ask(*command)

    def _start(self, node: ClusterNode, *options: str) -> None:
        node.directory.mkdir(exist_ok=True)
        words = f"--port {node.port} --repl-diskless-sync-delay 0 --save".split()
        node.process = subprocess.Popen(
            [embedded._find_binary(), *words, "", "--dir", node.directory, *options],
            stdout=subprocess.DEVNULL,
            preexec_fn=embedded._end_with_parent(),
        )

    def _start_sentinel(self) -> None:
        self.sentinel.directory.mkdir(exist_ok=True)
        settings = self.sentinel.directory / "sentinel.conf"
        settings.write_text(
            f"port {self.sentinel.port}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {self.master.port} 1\n"
            f"sentinel down-after-milliseconds {NAME} 1000\n"
            f"sentinel failover-timeout {NAME} 5000\n"
        )
        self.sentinel.process = subprocess.Popen(
            [embedded._find_binary(), settings, "--sentinel"],
            stdout=subprocess.DEVNULL,
            preexec_fn=embedded._end_with_parent(),
        )

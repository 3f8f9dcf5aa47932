"""A Redis master with replicas and a Sentinel, on this machine."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path
from typing import Any

from syncline_server.storage.errors import ConnectionBroken, ReplyError
from syncline_server.storage.redis import embedded
from syncline_server.storage.redis.connection import connect

from .cluster import WAIT_LIMIT, ClusterNode, free_ports

__all__ = ["NAME", "Watched"]

NAME = "mymaster"


class Watched:
    """A master, its replicas and a Sentinel, which run from `start` to `stop`.

    Attributes:
        replica: the first of `replicas`.
    """

    def __init__(self, directory: Path, replicas: int = 1) -> None:
        ports = free_ports(2 + replicas)
        self.master, self.sentinel, *self.replicas = (
            ClusterNode(port, directory / f"redis{port}") for port in ports
        )
        self.replica = self.replicas[0]

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{NAME}"

    async def start(self) -> None:
        self._start(self.master)
        for replica in self.replicas:
            self._start(replica, "--replicaof", f"127.0.0.1 {self.master.port}")
        await self.until_online(self.master, len(self.replicas))
        self._start_sentinel()
        async with asyncio.timeout(WAIT_LIMIT):
            while len(await self._asked("SENTINEL", "REPLICAS", NAME)) < len(self.replicas):
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        for node in (self.sentinel, self.master, *self.replicas):
            if node.process is not None:
                node.process.kill()
                node.process.wait()

    def pause_master(self) -> None:
        """Stop the master: it keeps its connections but answers nothing, like a hung machine."""
        self.master.signal(signal.SIGSTOP)

    async def until_online(self, master: ClusterNode, count: int) -> None:
        """Return when `count` replicas follow a master."""
        async with asyncio.timeout(WAIT_LIMIT):
            while (await master.ask("INFO", "replication")).count(b"state=online") < count:
                await asyncio.sleep(0.02)
            # "online" is not enough: a replica takes commands only after its first
            # acknowledgement, so WAIT until all have acknowledged a write.
            connection = await connect(master.address, WAIT_LIMIT)
            await connection.execute("SET", "first", "")
            while await connection.execute("WAIT", count, 1000) < count:
                pass
            connection.abort()

    async def fail_over(self) -> ClusterNode:
        """Let the Sentinel promote a replica, as for planned maintenance; return the new master."""
        old = self.master.port
        async with asyncio.timeout(WAIT_LIMIT):
            while not await self._accepts_failover():
                await asyncio.sleep(0.05)
            while True:
                _, port = await self._asked("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
                if int(port) != old:
                    break
                await asyncio.sleep(0.05)
        [promoted] = [node for node in self.replicas if node.port == int(port)]
        await self.until_online(promoted, len(self.replicas))
        return promoted

    async def _accepts_failover(self) -> bool:
        try:
            await self._asked("SENTINEL", "FAILOVER", NAME)
        except ReplyError:
            return False  # no replica has answered the Sentinel lately
        return True

    async def until_promoted(self) -> None:
        """Return when `replica` has become the master."""
        async with asyncio.timeout(WAIT_LIMIT):
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

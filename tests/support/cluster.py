"""A Redis Cluster on this machine: three masters with one replica each."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.crc import key_slot

from support.limits import WAIT_LIMIT
from syncline_server.storage.errors import StorageError
from syncline_server.storage.redis import embedded
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.connection import (
    Connection,
    connect,
)

__all__ = ["WAIT_LIMIT", "Cluster", "ClusterNode", "free_ports"]

SLOTS = 16_384


@dataclass
class ClusterNode:
    """One Redis server; `identifier` is its node id in the Cluster."""

    port: int
    directory: Path
    process: subprocess.Popen[bytes] | None = None
    identifier: str = ""

    @property
    def address(self) -> Address:
        return Address(host="127.0.0.1", port=self.port)

    def start(self) -> None:
        self.directory.mkdir(exist_ok=True)
        words = (
            f"--port {self.port} --cluster-enabled yes --cluster-node-timeout 1000 "
            "--cluster-require-full-coverage no --cluster-replica-validity-factor 0 "
            "--appendonly yes --appendfsync no --repl-diskless-sync-delay 0 --save"
        ).split()
        self.process = subprocess.Popen(
            [embedded._find_binary(), *words, "", "--dir", self.directory],
            stdout=subprocess.DEVNULL,
            preexec_fn=embedded._end_with_parent(),
        )

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        if number is signal.SIGKILL:
            self.process.wait()

    async def ask(self, *command: str | int) -> Any:
        """Send one command, as soon as the server accepts connections; return the reply."""
        async with asyncio.timeout(WAIT_LIMIT):
            while True:
                try:
                    connection: Connection = await connect(self.address, WAIT_LIMIT)
                    break
                except (OSError, StorageError):
                    await asyncio.sleep(0.02)
            try:
                return await connection.execute(*command)
            finally:
                connection.abort()


class Cluster:
    """A Cluster that runs from `start` to `stop`."""

    def __init__(self, directory: Path) -> None:
        self.nodes = [
            ClusterNode(port, directory / f"node{number}")
            for number, port in enumerate(free_ports(6))
        ]
        self.masters, self.replicas = self.nodes[:3], self.nodes[3:]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    async def start(self) -> None:
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.identifier = (await node.ask("CLUSTER", "MYID")).decode()
        for node in self.nodes[1:]:
            await node.ask("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        third = SLOTS // 3 + 1
        for number, master in enumerate(self.masters):
            last = min((number + 1) * third, SLOTS) - 1
            await master.ask("CLUSTER", "ADDSLOTSRANGE", number * third, last)
        for master, replica in zip(self.masters, self.replicas, strict=True):
            await self._until(replica, lambda nodes, m=master: m.identifier in nodes)
            await replica.ask("CLUSTER", "REPLICATE", master.identifier)
        for node in self.nodes:
            await self._until_ok(node)
        for replica in self.replicas:
            while b"master_link_status:up" not in await replica.ask("INFO", "replication"):
                await asyncio.sleep(0.02)

    def stop(self) -> None:
        for node in self.nodes:
            if node.process is not None:
                node.process.kill()
                node.process.wait()

    def master_of(self, key: str) -> ClusterNode:
        """The master that `start` assigned the slot of `key` to."""
        return self.masters[key_slot(key.encode()) // (SLOTS // 3 + 1)]

    def replica_of(self, master: ClusterNode) -> ClusterNode:
        return self.replicas[self.masters.index(master)]

    async def until_promoted(self, replica: ClusterNode) -> None:
        """Return when a replica has become a master."""
        async with asyncio.timeout(WAIT_LIMIT):
            while b"role:master" not in await replica.ask("INFO", "replication"):
                await asyncio.sleep(0.05)

    async def until_replicated(self, master: ClusterNode) -> None:
        """Return when the replica has all data of the master."""
        async with asyncio.timeout(WAIT_LIMIT):
            while True:
                info = (await master.ask("INFO", "replication")).decode()
                fields = dict(line.split(":", 1) for line in info.split() if ":" in line)
                if f"offset={fields['master_repl_offset']}," in fields["slave0"]:
                    return
                await asyncio.sleep(0.02)

    async def move_slot(self, slot: int, source: ClusterNode, target: ClusterNode) -> None:
        """Move a slot with all its keys, as `redis-cli --cluster reshard` does."""
        await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.identifier)
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.identifier)
        while keys := await source.ask("CLUSTER", "GETKEYSINSLOT", slot, 10):
            await source.ask(
                "MIGRATE",
                "127.0.0.1",
                target.port,
                "",
                0,
                5000,
                "KEYS",
                *[k.decode() for k in keys],
            )
        for node in (target, source, *self.masters):
            await node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.identifier)

    async def _until(self, node: ClusterNode, holds: Any) -> None:
        async with asyncio.timeout(WAIT_LIMIT):
            while not holds((await node.ask("CLUSTER", "NODES")).decode()):
                await asyncio.sleep(0.02)

    async def _until_ok(self, node: ClusterNode) -> None:
        async with asyncio.timeout(WAIT_LIMIT):
            while b"cluster_state:ok" not in await node.ask("CLUSTER", "INFO"):
                await asyncio.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Free ports for Cluster nodes; the port 10,000 above each, for the bus, is free too.

    All are below the range that the system uses for outgoing connections. They are random, because
    other test processes may choose ports at the same moment.
    """
    with ExitStack() as sockets:
        ports: list[int] = []
        while len(ports) < count:
            candidate = random.randrange(11_000, 22_000)
            try:
                for port in (candidate, candidate + 10_000):
                    sockets.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            ports.append(candidate)
        return ports

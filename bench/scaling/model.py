"""The cost model: what a load costs servers and Redis, from coefficients that were measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Coefficients", "Cost", "Traffic", "cost_of", "processes_reached"]

MICRO = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Coefficients:
    """What each thing costs: processor time in microseconds, memory in bytes.

    Attributes:
        arrival: a connection accepted, authenticated, with its first object open.
        opening: each further object that a connection opens.
        connection: an open connection without traffic, per second.
        commit: a write by a socket.
        event: one event in one process that has readers of it.
        delivery: one event to one reader.
        process: a process without clients, per second.
        process_shard: each further shard that a process is connected to, per second.
        redis_arrival: what Redis does for an arrival.
        redis_opening: what Redis does for each further object.
        redis_commit: a write, with its share of the waits for the disk.
        redis_event: one event to one process.
        redis_shard: a shard that no process uses, per second.
        redis_process: what a process without clients costs Redis, per second, all shards together.
        redis_process_shard: what it costs each further shard, per second.
        connection_bytes: a connection with one object open.
        opening_bytes: each further open object of a connection.
        process_bytes: a process without clients.
        object_bytes: an object in Redis.
        kernel_bytes: a socket in the kernel, without its buffers, which are empty at rest.
    """

    arrival: float
    opening: float
    connection: float
    commit: float
    event: float
    delivery: float
    process: float
    process_shard: float
    redis_arrival: float
    redis_opening: float
    redis_commit: float
    redis_event: float
    redis_shard: float
    redis_process: float
    redis_process_shard: float
    connection_bytes: float
    opening_bytes: float
    process_bytes: float
    object_bytes: float
    kernel_bytes: float = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """A load.

    Attributes:
        connections: open at the same time.
        open_objects: that each connection has open.
        readers: connections that have one object open.
        events_per_object: writes of each open object, per second.
        broadcasts: events per second that every connection receives.
        reconnects: how often each connection is made again, per second.
        stored_objects: objects in Redis; None for those that are open.
    """

    connections: int
    open_objects: float = 1
    readers: float = 10
    events_per_object: float = 0.01
    broadcasts: float = 0
    reconnects: float = 1 / 3600
    stored_objects: int | None = None

    @property
    def objects(self) -> float:
        """Different objects that are open."""
        return self.connections * self.open_objects / self.readers

    @property
    def events(self) -> float:
        """Writes per second, without broadcasts."""
        return self.objects * self.events_per_object

    @property
    def deliveries(self) -> float:
        """Events per second at all readers."""
        return self.events * self.readers + self.broadcasts * self.connections


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Processor time in cores, memory in bytes.

    Attributes:
        server: of all server processes.
        redis: of all shards, without what each shard has for itself.
        redis_each: what each shard has for itself, whatever their number.
        redis_home: what the shard with the data set's own keys has in addition.
    """

    server: float
    redis: float
    redis_each: float
    redis_home: float
    server_bytes: float
    redis_bytes: float


def processes_reached(readers: float, processes: int) -> float:
    """Processes that have a reader, on average, if readers connect to any of them."""
    return processes * (1 - math.pow(1 - 1 / processes, readers))


def cost_of(
    traffic: Traffic, coefficients: Coefficients, *, processes: int, shards: int = 1
) -> Cost:
    """What the traffic costs with so many processes and shards."""
    c, t = coefficients, traffic
    arrivals = t.connections * t.reconnects
    further = t.open_objects - 1
    writes = t.events + t.broadcasts
    hops = t.events * processes_reached(t.readers, processes) + t.broadcasts * processes
    server = (
        arrivals * (c.arrival + further * c.opening)
        + t.connections * c.connection
        + writes * c.commit
        + hops * c.event
        + t.deliveries * c.delivery
        + processes * (c.process + (shards - 1) * c.process_shard)
    )
    redis = (
        arrivals * (c.redis_arrival + further * c.redis_opening)
        + writes * c.redis_commit
        + hops * c.redis_event
    )
    return Cost(
        server=server * MICRO,
        redis=redis * MICRO,
        redis_each=(c.redis_shard + processes * c.redis_process_shard) * MICRO,
        redis_home=processes * max(0.0, c.redis_process - c.redis_process_shard) * MICRO,
        server_bytes=processes * c.process_bytes
        + t.connections * (c.connection_bytes + c.kernel_bytes + further * c.opening_bytes),
        redis_bytes=(t.objects if t.stored_objects is None else t.stored_objects) * c.object_bytes,
    )

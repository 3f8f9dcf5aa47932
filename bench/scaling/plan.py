"""Nodes, shards and money for a load."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .model import Coefficients, Cost, Traffic, cost_of

__all__ = ["REDIS_CONNECTIONS", "Machines", "Plan", "Unreachable", "describe", "plan"]

HOURS_A_MONTH = 730
MOST_SHARDS = 1000
MOST_NODES = 100_000
REDIS_CONNECTIONS = 2
"""Connections of a process to each shard: commands, and events."""


class Unreachable(Exception):
    """No number of machines is enough; the text says what the limit is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machines:
    """What machines are like; prices are examples, to be replaced by your own.

    Attributes:
        cores: of a server node.
        processes: server processes of a node; the other cores are the kernel's and the proxy's.
        load: share of its core that a process, or a shard, may use in normal operation.
        zones: independent parts of a site; what is left must carry all when one fails.
        most_connections: `--max-connections` of a process.
        redis_memory: bytes of a Redis machine; it has half as much data, for its rewrites.
        redis_clients: `maxclients` of a shard.
        copies: machines of a shard: a master and its replicas.
        event_bytes: of an event on the wire.
        price, redis_price: of a machine, per hour.
        traffic_price: of a GB that leaves the site.
    """

    cores: int = 8
    processes: int = 7
    memory: float = 16e9
    load: float = 0.5
    zones: int = 3
    most_connections: int = 50_000
    redis_memory: float = 16e9
    redis_clients: int = 10_000
    copies: int = 2
    event_bytes: float = 530
    price: float = 0.34
    redis_price: float = 0.17
    traffic_price: float = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a load needs.

    Attributes:
        limit: what decides on the number of nodes.
        shard_limit: what decides on the number of shards.
        share: of its core that a process uses.
        busiest_shard: share of its core that the busiest shard uses.
        month: money for a month, without traffic.
        traffic_month: money for a month's traffic.
    """

    nodes: int
    processes: int
    shards: int
    limit: str
    shard_limit: str
    share: float
    busiest_shard: float
    node_bytes: float
    redis_bytes: float
    cost: Cost
    month: float
    traffic_month: float


def plan(traffic: Traffic, coefficients: Coefficients, machines: Machines) -> Plan:
    """The fewest nodes and shards that carry the load, also without one zone.

    Raises:
        Unreachable: there is no such number.
    """
    shards = 1
    # More processes want more shards, and more shards cost each process something.
    for _ in range(20):
        nodes, limit = _nodes(traffic, coefficients, machines, shards)
        processes = nodes * machines.processes
        wanted, shard_limit = _shards(traffic, coefficients, machines, processes)
        if wanted <= shards:
            break
        shards = wanted
    cost = cost_of(traffic, coefficients, processes=processes, shards=shards)
    machine_prices = nodes * machines.price + shards * machines.copies * machines.redis_price
    gigabytes = traffic.deliveries * machines.event_bytes * 3600 * HOURS_A_MONTH / 1e9
    return Plan(
        nodes=nodes,
        processes=processes,
        shards=shards,
        limit=limit,
        shard_limit=shard_limit,
        share=cost.server / processes,
        busiest_shard=cost.redis / shards + cost.redis_each + cost.redis_home,
        node_bytes=cost.server_bytes / nodes,
        redis_bytes=cost.redis_bytes / shards,
        cost=cost,
        month=machine_prices * HOURS_A_MONTH,
        traffic_month=gigabytes * machines.traffic_price,
    )


def describe(traffic: Traffic, found: Plan) -> dict[str, str]:
    """The plan in words."""
    return {
        "connections": f"{traffic.connections:,}",
        "events a second": f"{traffic.events:,.0f}",
        "deliveries a second": f"{traffic.deliveries:,.0f}",
        "new connections a second": f"{traffic.connections * traffic.reconnects:,.0f}",
        "nodes, processes": f"{found.nodes:,}, {found.processes:,}; limit: {found.limit}",
        "use of a process's core": f"{found.share:.0%}",
        "memory of a node": f"{found.node_bytes / 1e9:,.1f} GB",
        "shards, each with a replica": f"{found.shards:,}; limit: {found.shard_limit}",
        "use of the busiest shard's core": f"{found.busiest_shard:.0%}",
        "data of a shard": f"{found.redis_bytes / 1e9:,.2f} GB",
        "machines, a month": f"$ {found.month:,.0f}",
        "traffic, a month": f"$ {found.traffic_month:,.0f}",
    }


def _nodes(
    traffic: Traffic, coefficients: Coefficients, machines: Machines, shards: int
) -> tuple[int, str]:
    """The fewest nodes, a multiple of the zones, and what the next smaller number lacks."""
    zones = machines.zones

    def lack(groups: int) -> str | None:
        left = max(1, groups * zones - groups) if zones > 1 else groups
        processes = left * machines.processes
        cost = cost_of(traffic, coefficients, processes=processes, shards=shards)
        # Where a zone is missing, the others may use what is kept free for that.
        allowed = min(1.0, machines.load * zones / (zones - 1)) if zones > 1 else machines.load
        if cost.server > processes * allowed:
            return "processor time"
        if cost.server_bytes > left * machines.memory * 0.8:
            return "memory"
        if traffic.connections > processes * machines.most_connections:
            return "connections of a process"
        return None

    most = 1
    while lack(most) is not None:
        most *= 2
        if most > MOST_NODES:
            raise Unreachable(f"no number of nodes is enough: {lack(most)}")
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if lack(middle) is not None else (least, middle)
    return most * zones, (lack(least) if least else None) or "the number of zones"


def _shards(
    traffic: Traffic, coefficients: Coefficients, machines: Machines, processes: int
) -> tuple[int, str]:
    """The fewest shards, and what a smaller number lacks.

    Raises:
        Unreachable: what each shard has for itself is too much.
    """
    cost = cost_of(traffic, coefficients, processes=processes)
    own = cost.redis_each + cost.redis_home
    if own >= machines.load:
        raise Unreachable(
            f"{processes:,} processes alone use {own:.0%} of a shard's core, by their heartbeats "
            "and searches; use fewer, larger processes"
        )
    if processes * REDIS_CONNECTIONS > machines.redis_clients:
        raise Unreachable(f"{processes:,} processes have more connections than `maxclients` allows")
    by_time = math.ceil(cost.redis / (machines.load - own))
    by_memory = math.ceil(cost.redis_bytes / (machines.redis_memory / 2))
    count = max(1, by_time, by_memory)
    if count > MOST_SHARDS:
        raise Unreachable(f"{count:,} shards are more than a Cluster has")
    if count == 1:
        return 1, "one is enough"
    return count, "processor time" if by_time >= by_memory else "memory"

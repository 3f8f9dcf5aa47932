"""The cost model and the simulated herds: their arithmetic, by numbers that can be checked."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
from bench.harness.fit import line
from bench.scaling.fleet import Fleet, Settings
from bench.scaling.herd import rolling_restart, zone_failure
from bench.scaling.model import Coefficients, Traffic, cost_of, processes_reached
from bench.scaling.plan import Machines, Unreachable, plan

NOTHING = Coefficients(**{each.name: 0 for each in fields(Coefficients)})
USUAL = Coefficients(
    arrival=600,
    opening=100,
    connection=1,
    commit=60,
    event=40,
    delivery=3,
    process=10_000,
    process_shard=1000,
    redis_arrival=60,
    redis_opening=30,
    redis_commit=40,
    redis_event=3,
    redis_shard=1000,
    redis_process=1000,
    redis_process_shard=500,
    connection_bytes=6000,
    opening_bytes=600,
    process_bytes=60e6,
    object_bytes=700,
)
TRAFFIC = Traffic(connections=1_000_000, open_objects=2, readers=20, events_per_object=0.1)
FLEET = Fleet(
    nodes=9,
    processes=4,
    zones=3,
    connections=90_000,
    open_objects=2,
    cores=4,
    busy=4,
    arrival=0.001,
    redis_arrival=0.0001,
    redis_free=2,
    changes=0.1,
)
"""Nine nodes that can accept 32,000 clients a second, and Redis 20,000."""

CALM = Settings(name="calm", noticed=20, admission=None)
HASTY = Settings(name="hasty", first=0.25, ceiling=0.25, noticed=0.25, admission=None, patience=1)


def test_a_line_goes_through_its_points() -> None:
    assert line([(1, 5), (2, 7), (4, 11)]) == pytest.approx((3, 2))


def test_traffic_counts_objects_events_and_deliveries() -> None:
    assert TRAFFIC.objects == 100_000
    assert TRAFFIC.events == pytest.approx(10_000)
    assert TRAFFIC.deliveries == pytest.approx(200_000)
    assert replace(TRAFFIC, broadcasts=2).deliveries == pytest.approx(2_200_000)


def test_few_readers_reach_few_processes_and_many_reach_all() -> None:
    assert processes_reached(1, 50) == pytest.approx(1)
    assert processes_reached(2, 50) == pytest.approx(1.98)
    assert processes_reached(10_000, 50) == pytest.approx(50)
    assert processes_reached(10, 1) == 1


@pytest.mark.parametrize(
    ("coefficient", "cores"),
    [
        ("connection", 1.0),
        ("commit", 0.01),
        ("delivery", 0.2),
        ("arrival", 1_000_000 / 3600 / 1e6),
        ("opening", 1_000_000 / 3600 / 1e6),
        ("process", 10 / 1e6),
        ("process_shard", 10 * 2 / 1e6),
        ("event", 10_000 * 10 * (1 - 0.9**20) / 1e6),
    ],
)
def test_each_coefficient_counts_what_it_says(coefficient: str, cores: float) -> None:
    one = replace(NOTHING, **{coefficient: 1.0})
    assert cost_of(TRAFFIC, one, processes=10, shards=3).server == pytest.approx(cores)


@pytest.mark.parametrize(
    ("coefficient", "spread", "each", "home"),
    [
        ("redis_commit", 0.01, 0, 0),
        ("redis_event", 10_000 * 10 * (1 - 0.9**20) / 1e6, 0, 0),
        ("redis_shard", 0, 1 / 1e6, 0),
        ("redis_process", 0, 0, 10 / 1e6),
        ("redis_process_shard", 0, 10 / 1e6, 0),
    ],
)
def test_redis_has_costs_that_shards_share_and_costs_that_each_has(
    coefficient: str, spread: float, each: float, home: float
) -> None:
    cost = cost_of(TRAFFIC, replace(NOTHING, **{coefficient: 1.0}), processes=10)
    found = (cost.redis, cost.redis_each, cost.redis_home)
    assert found == pytest.approx((spread, each, home))


def test_memory_is_that_of_processes_connections_objects_and_sockets() -> None:
    cost = cost_of(TRAFFIC, USUAL, processes=10)
    assert cost.server_bytes == pytest.approx(10 * 60e6 + 1e6 * (6000 + 4096 + 600))
    assert cost.redis_bytes == pytest.approx(100_000 * 700)
    stored = replace(TRAFFIC, stored_objects=5_000_000)
    assert cost_of(stored, USUAL, processes=10).redis_bytes == pytest.approx(5e6 * 700)


def test_a_broadcast_reaches_every_process_and_every_connection() -> None:
    traffic = Traffic(connections=1000, events_per_object=0, broadcasts=1, reconnects=0)
    coefficients = replace(NOTHING, event=1, delivery=1, redis_event=1)
    cost = cost_of(traffic, coefficients, processes=40)
    assert cost.server == pytest.approx((40 + 1000) / 1e6)
    assert cost.redis == pytest.approx(40 / 1e6)


def test_a_plan_carries_the_load_without_a_zone_and_one_zone_less_does_not() -> None:
    machines, traffic = Machines(), replace(TRAFFIC, connections=5_000_000, events_per_object=0.01)
    found = plan(traffic, USUAL, machines)
    left = found.nodes * 2 // 3 * machines.processes
    assert found.nodes % machines.zones == 0
    assert cost_of(traffic, USUAL, processes=left).server <= left * 0.75
    assert traffic.connections <= left * machines.most_connections
    fewer = (found.nodes // 3 - 1) * 2 * machines.processes
    assert fewer
    assert (
        cost_of(traffic, USUAL, processes=fewer).server > fewer * 0.75
        or traffic.connections > fewer * machines.most_connections
    )


def test_a_plan_keeps_each_shard_below_its_share() -> None:
    busy = replace(TRAFFIC, events_per_object=1)
    found = plan(busy, USUAL, Machines())
    assert found.shards > 1
    assert found.busiest_shard <= 0.5
    assert found.month == pytest.approx((found.nodes * 0.34 + found.shards * 2 * 0.17) * 730)


def test_a_plan_names_what_no_number_of_machines_can_carry() -> None:
    with pytest.raises(Unreachable, match="heartbeats"):
        plan(TRAFFIC, replace(USUAL, redis_process=1e6), Machines())
    with pytest.raises(Unreachable, match="maxclients"):
        plan(TRAFFIC, replace(USUAL, redis_process=0), Machines(redis_clients=10))


def test_a_herd_is_the_same_for_one_seed() -> None:
    assert zone_failure(FLEET, CALM, 7) == zone_failure(FLEET, CALM, 7)


def test_all_clients_of_a_lost_zone_come_back() -> None:
    herd = zone_failure(FLEET, CALM, 1)
    assert herd.lost == 30_000
    assert herd.is_stable
    assert 0 < herd.half < herd.most <= herd.all <= CALM.noticed + CALM.first + 1
    assert (herd.wasted, herd.refused) == (0, 0)
    # Changed while away: at most all open objects of all clients of a second.
    assert 0 < herd.catch_up < 30_000 * 2 * 530


def test_clients_that_all_come_at_once_give_up_and_come_again() -> None:
    slow = replace(FLEET, arrival=0.02)
    herd = zone_failure(slow, HASTY, 1)
    assert herd.wasted > 0.01 * herd.lost
    assert not herd.is_stable
    assert herd.load == 1


def test_an_admission_limit_keeps_processor_time_for_the_others() -> None:
    slow = replace(FLEET, arrival=0.02)
    limited = replace(CALM, admission=10.0)
    herd = zone_failure(slow, limited, 1)
    assert herd.is_stable
    assert herd.refused > 0
    assert herd.wasted == 0
    # Six nodes of four processes admit 240 a second.
    assert herd.all >= herd.lost / 240
    # What is left is not much: a refusal costs something too.
    unlimited = zone_failure(slow, CALM, 1)
    assert unlimited.load == 1 > herd.load


def test_a_herd_that_redis_cannot_serve_ends_without_an_end() -> None:
    herd = zone_failure(replace(FLEET, redis_free=0), replace(CALM, longest=60), 1)
    assert herd.all == math.inf
    assert not herd.is_stable


def test_a_rolling_restart_moves_every_client_at_least_once() -> None:
    settings = replace(CALM, drain=2, down=1, at_once=1 / 3)
    herd = rolling_restart(FLEET, settings, 1)
    assert herd.is_stable
    # Those of the first group move to nodes that restart later.
    assert FLEET.connections < herd.lost < 2 * FLEET.connections
    assert herd.all >= 3 * (settings.drain + settings.down)

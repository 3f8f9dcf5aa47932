"""Whole runs about items against servers that are broken on purpose: each is red, and says why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.defects import (
    BATCH_HALF_APPLIED,
    CONDITION_IGNORED,
    DELTA_BASES_SKIPPED,
    DELTAS_OF_OTHER_DATA,
    DELTAS_UNLIKE_DIGEST,
    EVENT_BEFORE_REPLY,
    EVENT_DROPPED_FOR_ONE,
    EVENTS_OUT_OF_ORDER,
    INDEX_USED_TWICE,
    PART_NOT_NARROWED,
    REPLAY_MISSES_A_CHANGE,
    REVISION_REUSED,
    Defect,
)
from support.event_dropper import EventDropper
from support.server import RunningServer, StartServer
from support.verify import Outcome, run_until_conclusive

SHORT = ("--patience=1", "--faults=none", "--rate=200")


@pytest.mark.parametrize(
    ("defect", "types", "check"),
    [
        pytest.param(CONDITION_IGNORED, "maps", "item-conditions", id="condition"),
        pytest.param(INDEX_USED_TWICE, "lists", "item-indexes", id="index"),
        pytest.param(BATCH_HALF_APPLIED, "maps", "item-batches", id="batch"),
        pytest.param(REVISION_REUSED, "maps", "item-revisions", id="revision"),
    ],
)
def test_a_script_that_breaks_a_promise(
    fresh_server: StartServer, tmp_path: Path, defect: Defect, types: str, check: str
) -> None:
    server = fresh_server(environ=defect.environ)

    assert check in broken(
        run_until_conclusive(server, tmp_path, *SHORT, f"--types={types}", seconds=1)
    )


@pytest.mark.parametrize(
    ("defect", "check"),
    [
        pytest.param(EVENT_DROPPED_FOR_ONE, "item-complete", id="dropped-for-one"),
        pytest.param(EVENTS_OUT_OF_ORDER, "item-order", id="out-of-order"),
        pytest.param(EVENT_BEFORE_REPLY, "item-replies", id="event-before-reply"),
        pytest.param(PART_NOT_NARROWED, "item-parts", id="foreign-key-in-a-part"),
    ],
)
def test_a_delivery_that_breaks_a_promise(
    fresh_server: StartServer, tmp_path: Path, defect: Defect, check: str
) -> None:
    server = fresh_server(environ=defect.environ)

    assert check in broken(
        run_until_conclusive(server, tmp_path, *SHORT, "--types=maps", seconds=1)
    )


def test_a_replay_that_misses_a_change(fresh_server: StartServer, tmp_path: Path) -> None:
    # Observers read what changed since a revision every second: both from the server, by event
    # streams, and by themselves, with a script that has the defect.
    extra = REPLAY_MISSES_A_CHANGE.environ
    outcome = run_until_conclusive(
        fresh_server(environ=extra),
        tmp_path,
        *SHORT,
        "--types=maps",
        seconds=2,
        extra_environ=extra,
    )

    assert "item-replay" in broken(outcome)
    promises = [check for check in outcome.verdict["checks"] if check["name"] == "item-replay"]
    clients = {each["client"] for check in promises for each in check["findings"]}
    assert "map-sse-1" in clients


async def test_an_event_that_is_dropped_for_one_subscriber(
    server: RunningServer, tmp_path: Path
) -> None:
    redis, path = server.data_dir / "redis/redis.sock", tmp_path / "redis.sock"
    async with EventDropper(redis, path, b'"kind":"items"') as dropper:
        outcome = await asyncio.to_thread(
            run_until_conclusive,
            server,
            tmp_path,
            *SHORT,
            "--types=lists",
            f"--redis-url=unix://{path}",
            seconds=1,
        )

    assert dropper.dropped == 1
    assert "item-complete" in broken(outcome)
    promises = [check for check in outcome.verdict["checks"] if check["is_promise"]]
    clients = {each["client"] for check in promises for each in check["findings"]}
    assert len(clients) == 1


def test_deltas_of_data_that_nobody_wrote(fresh_server: StartServer, tmp_path: Path) -> None:
    server = fresh_server(environ=DELTAS_OF_OTHER_DATA.environ)
    outcome = run_until_conclusive(server, tmp_path, *SHORT, "--types=maps", seconds=2)

    assert {"item-revisions", "replica-converged"} <= broken(outcome)


@pytest.mark.parametrize(
    "defect",
    [
        pytest.param(DELTAS_UNLIKE_DIGEST, id="unlike-digest"),
        pytest.param(DELTA_BASES_SKIPPED, id="base-skipped"),
    ],
)
def test_deltas_that_replicas_find_wrong_are_replaced_by_whole_items(
    fresh_server: StartServer, tmp_path: Path, defect: Defect
) -> None:
    server = fresh_server(environ=defect.environ)
    outcome = run_until_conclusive(server, tmp_path, *SHORT, "--types=lists,maps", seconds=3)

    assert (outcome.status, outcome.broken) == (0, set())
    assert outcome.verdict["figures"]["replica_repairs"] > 0


def broken(outcome: Outcome) -> set[str]:
    """The promises that a red run found broken."""
    assert (outcome.status, outcome.verdict["verdict"]) == (1, "red")
    return outcome.broken

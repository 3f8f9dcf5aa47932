"""The tables of the documentation, and the stages of a delivery that one of them shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.harness.trace import RECORD, Kind, Record, Traces, read_traces
from bench.latency import stages_of, table_of
from bench.report import PAGES, renewed

SENT = 1_000_000
FILE, SERVER_SIDE, EVENTS = 5, 8, 9
"""Descriptors: Redis' file, its connection for commands, and that for events."""


def record(kind: Kind, began: int, ended: int, descriptor: int = 3) -> Record:
    """A record of the event, with its times in microseconds after it was sent."""
    return Record(SENT + began * 1000, SENT + ended * 1000, SENT, 1, kind, descriptor)


@pytest.fixture
def traces() -> Traces:
    traces = Traces()
    traces.server[SENT] = [
        record(Kind.READ, 90, 100),
        record(Kind.WRITE, 150, 160),
        record(Kind.READ, 890, 900),
        record(Kind.WRITE, 930, 940),
        record(Kind.WRITE, 945, 950),
    ]
    traces.redis[SENT] = [
        record(Kind.READ, 190, 200, SERVER_SIDE),
        record(Kind.WRITE, 250, 260, FILE),
        record(Kind.WRITE, 860, 870, EVENTS),
    ]
    traces.syncs.append(record(Kind.SYNC, 270, 850, FILE))
    traces.load[SENT] = [record(Kind.READ, 990, 1000), record(Kind.READ, 1090, 1100)]
    return traces


def test_the_stages_of_a_delivery_add_up(traces: Traces) -> None:
    first, second = stages_of(SENT, traces, traces.syncs, is_waited_for=True)
    assert first == {
        "writer → server": 100,
        "server: request to command": 50,
        "server → Redis": 50,
        "Redis: disk, for an earlier commit": 0,
        "Redis: script": 50,
        "Redis: file and disk": 600,
        "Redis: to its answers": 10,
        "pub/sub: Redis → server": 40,
        "server: event to first write": 30,
        "first write → reader": 70,
        "all": 1000,
    }
    assert second["all"] == 1100
    for stages in (first, second):
        assert sum(stages.values()) == 2 * stages["all"]


def test_a_sync_that_nobody_waits_for_does_not_count(traces: Traces) -> None:
    first, _ = stages_of(SENT, traces, traces.syncs, is_waited_for=False)
    assert first["Redis: file and disk"] == 10
    assert first["Redis: to its answers"] == 600


def test_a_command_that_waits_for_an_earlier_sync_waits_for_the_disk(traces: Traces) -> None:
    traces.syncs.insert(0, record(Kind.SYNC, 120, 180, FILE))
    first, _ = stages_of(SENT, traces, traces.syncs, is_waited_for=True)
    assert first["server → Redis"] == 20
    assert first["Redis: disk, for an earlier commit"] == 30
    assert sum(first.values()) == 2 * first["all"]


def test_a_server_without_records_has_fewer_stages(traces: Traces) -> None:
    traces.server.clear()
    first, _ = stages_of(SENT, traces, traces.syncs, is_waited_for=True)
    assert list(first)[0] == "writer → server → Redis"
    assert first["Redis → server → reader"] == 140


def test_an_event_of_which_a_record_is_missing_has_no_stages(traces: Traces) -> None:
    del traces.server[SENT][0]
    assert not list(stages_of(SENT, traces, traces.syncs, is_waited_for=True))


def test_the_tail_is_what_the_slowest_deliveries_took() -> None:
    deliveries = [{"disk": 1.0, "all": 2.0}] * 99 + [{"disk": 900.0, "all": 901.0}]
    table = table_of(deliveries)
    assert table["disk"] == {"median": 1, "p99": 1, "slowest": 900}


def test_records_are_read_from_the_file_of_each_process(tmp_path: Path) -> None:
    for name in ("load-1", "valkey-server-2", "python-3"):
        rows = (1, 2, SENT, 7, Kind.READ, 3), (3, 4, 0, 0, Kind.SYNC, 5)
        packed = b"".join(RECORD.pack(*row) for row in rows)
        (tmp_path / name).write_bytes(packed + bytes(RECORD.size))
    traces = read_traces(tmp_path)
    wanted = [Record(1, 2, SENT, 7, Kind.READ, 3)]
    assert traces.load == traces.redis == traces.server == {SENT: wanted}
    assert traces.syncs == [Record(3, 4, 0, 0, Kind.SYNC, 5)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_of_the_pages_are_those_of_the_results(page: Path) -> None:
    text = page.read_text()
    assert renewed(text) == text, "python -m bench.report renews it"

"""Shows where the time between a writer's send and the readers' receipt goes.

    python -m bench.latency [--seconds 10] [--rounds 3] [--appendfsync always] [--output DIRECTORY]

100 subscribers of one document, 50 events a second, of Syncline (native and Twilsock) and of
Centrifugo with history, each with a Redis of its own, with `appendfsync always` and `everysec`. A
library records the moments at which each process reads and writes each event (trace/trace.c): no
server is changed for it. Prints one table for each server: median and 99th percentile of each
stage, and what the stage takes in the slowest hundredth of all deliveries, which explains the tail.
A line below says how long processes waited for a processor that others had.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

from bench.harness.bench import Bench
from bench.harness.ending import end_on_sigterm
from bench.harness.load import LoadError, group
from bench.harness.results import circumstances
from bench.harness.rivals import find_peers
from bench.harness.rounds import print_line
from bench.harness.syncline import Native, Syncline, Twilsock
from bench.harness.target import Missing, Target
from bench.harness.test_bed import TestBed, running_test_bed
from bench.harness.trace import Kind, Record, Traces, read_traces, tracing

SUBSCRIBERS, RATE = 100, 50
RESULTS = Path(__file__).parent / "results"
PEER = "Centrifugo with history"
SLOWEST = 0.01
"""Share of the deliveries that count as the tail."""

TOTAL = "all"
EARLIER = "Redis: disk, for an earlier commit"
NEARBY = 2_000_000_000
"""Nanoseconds around an event in which its waits for the disk are."""

Stages = dict[str, float]
"""Microseconds of each stage of one delivery, in the order of the way."""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """The moments of one event, in nanoseconds.

    Attributes:
        asked: Redis has read the command.
        written: Redis begins to write to its file; None if it did not.
        kept: Redis may answer: the file is written and, where that is wanted, on the disk.
        published: Redis writes the event to its subscriber.
    """

    sent: int
    asked: int
    written: int | None
    kept: int
    published: int


def stages_of(
    sent: int, traces: Traces, syncs: Sequence[Record], *, is_waited_for: bool
) -> Iterator[Stages]:
    """The stages of each delivery of an event; nothing if one of its records is missing."""
    redis = traces.redis.get(sent, [])
    passage = _passage(sent, redis, syncs, is_waited_for=is_waited_for)
    if passage is None:
        return
    waits = syncs if is_waited_for else []
    way = _way(passage, traces.server.get(sent, []), waits)
    if way is None:
        return
    written = passage.kept if passage.written is None else passage.written
    inside = [
        ("Redis: script", written - passage.asked),
        ("Redis: file and disk", passage.kept - written),
        ("Redis: to its answers", passage.published - passage.kept),
    ]
    for receipt in (each.ended for each in traces.load.get(sent, []) if each.kind is Kind.READ):
        last = [(way.last, receipt - way.left), (TOTAL, receipt - sent)]
        steps = [*way.there, *inside, *way.back, *last]
        yield {name: nanoseconds / 1000 for name, nanoseconds in steps}


@dataclass(frozen=True, kw_only=True)
class _Way:
    """An event's way to Redis and back.

    Attributes:
        left: when it left the last process that is traced before its reader.
        last: the stage from then on.
    """

    there: Sequence[tuple[str, int]]
    back: Sequence[tuple[str, int]]
    left: int
    last: str


def _way(passage: Passage, server: Sequence[Record], waits: Sequence[Record]) -> _Way | None:
    if not server:
        blocked = _overlap(passage.sent, passage.asked, waits)
        arrival = passage.asked - passage.sent - blocked
        return _Way(
            there=[("writer → server → Redis", arrival), (EARLIER, blocked)],
            back=[],
            left=passage.published,
            last="Redis → server → reader",
        )
    reads = [each for each in server if each.kind is Kind.READ]
    writes = [each for each in server if each.kind is Kind.WRITE]
    command = next((each for each in writes if each.began < passage.asked), None)
    event = next((each for each in reads if each.ended >= passage.published), None)
    first = next((each for each in writes if event and each.began >= event.ended), None)
    # A request that came in two reads is not seen in either.
    if command is None or event is None or first is None or reads[0].ended > command.began:
        return None
    blocked = _overlap(command.began, passage.asked, waits)
    return _Way(
        there=[
            ("writer → server", reads[0].ended - passage.sent),
            ("server: request to command", command.began - reads[0].ended),
            ("server → Redis", passage.asked - command.began - blocked),
            (EARLIER, blocked),
        ],
        back=[
            ("pub/sub: Redis → server", event.ended - passage.published),
            ("server: event to first write", first.began - event.ended),
        ],
        left=first.began,
        last="first write → reader",
    )


def _overlap(first: int, last: int, syncs: Sequence[Record]) -> int:
    """Nanoseconds of a time in which Redis waited for the disk."""
    return sum(max(0, min(last, each.ended) - max(first, each.began)) for each in syncs)


def _passage(
    sent: int, records: Sequence[Record], syncs: Sequence[Record], *, is_waited_for: bool
) -> Passage | None:
    files = {each.descriptor for each in syncs}
    asked = next((each for each in records if each.kind is Kind.READ), None)
    writes = [each for each in records if each.kind is Kind.WRITE]
    published = next((each for each in writes if each.descriptor not in files), None)
    if asked is None or published is None:
        return None
    kept = [each for each in writes if each.descriptor in files]
    kept = [each for each in kept if each.began < published.began]
    written = kept[0].began if kept else None
    if is_waited_for and written is not None:
        kept += [each for each in syncs if written <= each.began < published.began]
    ended = max((each.ended for each in kept), default=asked.ended)
    return Passage(
        sent=sent, asked=asked.ended, written=written, kept=ended, published=published.began
    )


def table_of(deliveries: Sequence[Stages]) -> dict[str, dict[str, float]]:
    """Median, 99th percentile and share in the tail of each stage, in microseconds."""
    ranked = sorted(deliveries, key=lambda stages: stages[TOTAL])
    slowest = ranked[-max(1, round(len(ranked) * SLOWEST)) :]
    return {
        name: {
            "median": median(values := [stages[name] for stages in deliveries]),
            "p99": sorted(values)[round(0.99 * (len(values) - 1))],
            "slowest": mean(stages[name] for stages in slowest),
        }
        for name in deliveries[0]
    }


class Waiting:
    """How long the processes of a run waited for a processor while they could have run."""

    def __init__(self, test_bed: TestBed) -> None:
        self._test_bed, self._began, self._before = test_bed, time.monotonic(), self._now(test_bed)

    def shares(self) -> dict[str, float]:
        """Share of the time since the start, by process."""
        took = time.monotonic() - self._began
        now = self._now(self._test_bed)
        return {name: (now[name] - self._before[name]) / took for name in now}

    @staticmethod
    def _now(test_bed: TestBed) -> dict[str, float]:
        return {"server": test_bed.process.waited(), "Redis": test_bed.redis.waited()}


def measure(target: Target, appendfsync: str, given: argparse.Namespace) -> dict[str, Any]:
    """Trace one target, and return its table."""
    deliveries: list[Stages] = []
    syncs: list[float] = []
    for _ in range(given.rounds):
        with TemporaryDirectory(prefix="bench-trace-") as made:
            directory = Path(made)
            with tracing(directory):
                shares = _run(target, appendfsync, given.seconds)
            traces = read_traces(directory)
            waited_for = appendfsync == "always"
            for sent in sorted(traces.load)[RATE:]:
                nearby = _between(traces.syncs, sent - NEARBY, sent + NEARBY)
                deliveries += stages_of(sent, traces, nearby, is_waited_for=waited_for)
            syncs += [(each.ended - each.began) / 1000 for each in traces.syncs]
    if not deliveries:
        raise LoadError("no event was traced")
    syncs.sort()
    return {
        "stages": table_of(deliveries),
        "deliveries": len(deliveries),
        "waited for a processor": shares,
        "syncs of the disk, microseconds": {
            "count": len(syncs),
            "median": median(syncs) if syncs else None,
            "p99": syncs[round(0.99 * (len(syncs) - 1))] if syncs else None,
            "most": syncs[-1] if syncs else None,
        },
    }


def _between(syncs: Sequence[Record], first: int, last: int) -> list[Record]:
    return [each for each in syncs if first <= each.began < last] or list(syncs[:1])


def _run(target: Target, appendfsync: str, seconds: float) -> dict[str, float]:
    with running_test_bed(target, 1, appendfsync) as test_bed:
        script = [
            *group("subscribers", SUBSCRIBERS, test_bed.site, target.subscriber(test_bed.site)),
            *group("writer", 1, test_bed.site, target.writer(test_bed.site)),
        ]
        with test_bed.load(script) as load:
            waiting = Waiting(test_bed)
            load.publish("rate", RATE, seconds + 1)
            return waiting.shares()


def show(name: str, figures: Mapping[str, Any]) -> str:
    """A table in the form of the documentation."""
    lines = [f"### {name}", "", "| stage, µs | median | 99th percentile | in the slowest 1 % |"]
    lines.append("|---|---|---|---|")
    for stage, row in figures["stages"].items():
        cells = " | ".join(f"{row[column]:,.0f}" for column in ("median", "p99", "slowest"))
        lines.append(f"| {stage} | {cells} |")
    waits = figures["waited for a processor"]
    shares = ", ".join(f"{each} {share:.1%}" for each, share in waits.items())
    disk = figures["syncs of the disk, microseconds"]
    lines += ["", f"Waited for a processor: {shares} of the time."]
    if disk["count"]:
        numbers = f"median {disk['median']:,.0f}, 99th percentile {disk['p99']:,.0f}"
        lines.append(f"Waits for the disk, µs: {numbers}, longest {disk['most']:,.0f}.")
    return "\n".join([*lines, ""])


def main() -> int:
    """Trace all targets; return the exit status."""
    end_on_sigterm()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--appendfsync", choices=("always", "everysec"), action="append")
    parser.add_argument("--output", type=Path, default=RESULTS, help="directory for results")
    given = parser.parse_args()
    peers = [peer for peer in find_peers() if peer.name == PEER]
    own: list[Syncline] = [Native(), Twilsock()]
    found: dict[str, Any] = {}
    for appendfsync in given.appendfsync or ("always", "everysec"):
        for target in (*own, *peers):
            name = f"{target.name}, appendfsync {appendfsync}"
            print_line(name)
            try:
                found[name] = measure(target, appendfsync, given)
            except (LoadError, Missing, RuntimeError) as error:
                print_line(f"  failed: {error}")
            else:
                print(show(name, found[name]), flush=True)
    about = circumstances(Bench(given.rounds, given.seconds, "both", peers))
    given.output.mkdir(exist_ok=True)
    text = json.dumps({**about, "traces": found}, indent=1, ensure_ascii=False)
    (given.output / "latency-stages.json").write_text(f"{text}\n")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())

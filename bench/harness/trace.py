"""Traces events through processes: build/trace.so records when each is read and written."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from struct import Struct

from .load import BUILD
from .processes import STORES
from .target import Missing

__all__ = ["Kind", "Record", "Traces", "read_traces", "tracing"]

LIBRARY = BUILD / "trace.so"
RECORD = Struct("QQQIHH")


class Kind(IntEnum):
    """What a process did; the numbers of trace/trace.c."""

    READ = 1
    WRITE = 2
    SYNC = 3


@dataclass(frozen=True, slots=True)
class Record:
    """One system call with an event, or one wait for the disk.

    Attributes:
        began: nanoseconds of the monotonic clock.
        sent: time at which the load client sent the event; 0 for a wait for the disk.
        sequence: the event's number in its document.
    """

    began: int
    ended: int
    sent: int
    sequence: int
    kind: Kind
    descriptor: int


@dataclass(frozen=True, slots=True)
class Traces:
    """The records of each process, by the moment at which the load client sent the event.

    Attributes:
        syncs: Redis' waits for the disk.
    """

    load: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list))
    server: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list))
    redis: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list))
    syncs: list[Record] = field(default_factory=list)


@contextmanager
def tracing(directory: Path) -> Iterator[None]:
    """Trace all processes that are started within the block; their records go to the directory.

    Raises:
        Missing: the library is not built.
    """
    if not LIBRARY.exists():
        raise Missing(f"{LIBRARY} is not there: run make -C bench")
    own = {"LD_PRELOAD": str(LIBRARY), "TRACE_DIRECTORY": str(directory)}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def read_traces(directory: Path) -> Traces:
    """The records of all processes, in the order of their calls."""
    traces = Traces()
    for path in directory.iterdir():
        name = path.name.rpartition("-")[0]
        records = sorted(_records(path), key=lambda record: record.began)
        if name in STORES:
            traces.syncs.extend(record for record in records if record.kind is Kind.SYNC)
            _add(traces.redis, records)
        elif name == "load":
            _add(traces.load, records)
        else:
            _add(traces.server, records)
    return traces


def _add(to: dict[int, list[Record]], records: list[Record]) -> None:
    for record in records:
        if record.kind is not Kind.SYNC:
            to[record.sent].append(record)


def _records(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        while True:
            part = file.read(RECORD.size)
            if len(part) < RECORD.size or part[:8] == bytes(8):
                return
            began, ended, sent, sequence, kind, descriptor = RECORD.unpack(part)
            yield Record(began, ended, sent, sequence, Kind(kind), descriptor)

"""Runs `syncline verify`, and alters the histories that it recorded."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from support.server import SYNCLINE, RunningServer, clean_environ
from syncline_tools.verify.history import read_history
from syncline_tools.verify.records import Record
from syncline_tools.verify.verdict import judge

__all__ = [
    "Outcome",
    "altered",
    "broken",
    "doubts",
    "run_until_conclusive",
    "run_verify",
    "without",
]

LONGER = (1, 2, 4, 8)
"""Factors of the durations that are tried."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a finished run.

    Attributes:
        verdict: the JSON that it printed.
        records: its history.
    """

    status: int
    verdict: Any
    records: list[Record]
    directory: Path

    @property
    def broken(self) -> set[str]:
        """The names of the promises that were broken."""
        return self._found(True)

    @property
    def doubts(self) -> set[str]:
        """The names of the other checks that have findings."""
        return self._found(False)

    def _found(self, is_promise: bool) -> set[str]:
        checks = [each for each in self.verdict["checks"] if each["is_promise"] is is_promise]
        return {
            each["name"]
            for each in checks
            if any(not finding["is_doubt"] for finding in each["findings"])
        }


def run_verify(
    server: RunningServer,
    directory: Path,
    *options: str,
    url: str = "",
    extra_environ: Mapping[str, str] | None = None,
) -> Outcome:
    """Run `syncline verify` against a server until it ends.

    Args:
        url: base URL to use instead of the server's own, such as that of a proxy.
        extra_environ: variables beside those that name the server.
    """
    command = [str(SYNCLINE), "verify", f"--output={directory}", *options]
    environ = {"SYNCLINE_URL": url or server.url, "SYNCLINE_DATA_DIR": str(server.data_dir)}
    done = subprocess.run(
        command,
        env=clean_environ({**environ, **(extra_environ or {})}),
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert done.stderr == b"", done.stderr.decode()
    records = list(read_history(directory / "history.jsonl"))
    return Outcome(done.returncode, orjson.loads(done.stdout), records, directory)


def run_until_conclusive(
    server: RunningServer, directory: Path, *options: str, seconds: int, **rest: Any
) -> Outcome:
    """Run it until a run shows enough: a busy machine needs a longer one.

    Args:
        seconds: of the first run; each further one takes twice as long.
        rest: as of `run_verify`.
    """
    for factor in LONGER:
        duration = seconds * factor
        where = directory / f"{duration}s"
        outcome = run_verify(server, where, f"--duration={duration}", *options, **rest)
        if outcome.verdict["verdict"] != "inconclusive":
            break
    return outcome


def broken(records: Sequence[Record]) -> set[str]:
    """The names of the promises that were broken in a history."""
    return {check.name for check in judge(records).checks if check.broken}


def doubts(records: Sequence[Record]) -> set[str]:
    """The names of the other checks that have findings in a history."""
    checks = judge(records).checks
    return {check.name for check in checks if check.findings and not check.is_promise}


def without(records: Sequence[Record], record: Record) -> list[Record]:
    """A copy of the history without `record`."""
    return [each for each in records if each is not record]


def altered(records: Sequence[Record], record: Record, **changes: Any) -> list[Record]:
    """A copy of the history in which `record` has the given changes."""
    return [replace(each, **changes) if each is record else each for each in records]

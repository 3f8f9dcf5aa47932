"""Measures what happens when a server restarts, and all its clients come back at once.

    python -m bench.herd [--clients 10000] [--jitter 0 1 5 10] [--connect-rate N]

Starts a server, connects the clients, and restarts the server. When it is ready again, each client
waits at random up to the jitter, and connects as Syncline's clients do: it authenticates with a
token of its own, opens its document with the revision that it has, and tries again after a refusal.
Clients are in processes of their own. Meanwhile 25 clients write 50 times a second in all, to
other documents. Prints a line for each jitter: the seconds until everyone was served, what each
client waited from its first attempt, refused attempts, the processor time of the server for each
client, and what the writes took.

Needs a limit of open files (`ulimit -n`) above the clients of the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.harness.native_client import NativeClient, connected
from bench.harness.processes import Process, free_ports
from bench.harness.redis import start_redis
from bench.harness.syncline import Native, create, own_tokens
from bench.harness.target import Command, Site

WRITERS, WRITE_INTERVAL = 25, 0.5
"""Clients that write, and the seconds from one write of each to the next."""

QUIET = 1.0
"""Seconds of writes before the clients come back."""

RESERVE = 500
"""Open files of the server that are no clients of the herd."""

PACE = 50
"""Clients of each process that connect at the same time, before the restart."""

DATA = {"text": "x" * 189}


class HerdServer(Native):
    """The server with the limits that it has by default."""

    def __init__(self, connect_rate: int | None) -> None:
        self._rate = [] if connect_rate is None else [f"--connect-rate={connect_rate}"]

    def command(self, site: Site) -> Command:
        whole = super().command(site)
        kept = ("serve", "--port=", "--redis-url=", "--data-dir=", "--log-level=")
        words = [word for word in whole.argv[1:] if word.startswith(kept)]
        return replace(whole, argv=[whole.argv[0], *words, *self._rate])


class Herd:
    """The clients, in several processes."""

    def __init__(self, site: Site, tokens: Sequence[str], processes: int) -> None:
        share = -(-len(tokens) // processes)
        self._processes = []
        for first in range(0, len(tokens), share):
            words = [site.port, first, site.documents]
            argv = [sys.executable, "-m", "bench.harness.programs.herd_clients", *map(str, words)]
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[1],
            )
            self._processes.append(process)
            self._tell(process, " ".join(tokens[first : first + share]))

    def order(self, line: str) -> None:
        """Give all processes a command."""
        for process in self._processes:
            self._tell(process, line)

    def figures(self) -> dict[str, Any]:
        """Wait until every client is served; the figures of all processes."""
        parts = []
        for process in self._processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("a process of clients has ended")
            parts.append(json.loads(line))
        return {
            "waits": sorted(wait for part in parts for wait in part["waits"]),
            "seconds": max(part["seconds"] for part in parts),
            "refused": sum(part["refused"] for part in parts),
        }

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
            process.communicate()

    def _tell(self, process: subprocess.Popen[str], line: str) -> None:
        assert process.stdin is not None
        process.stdin.write(f"{line}\n")
        process.stdin.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """What one return of the herd cost; times are in seconds."""

    figures: dict[str, Any]
    cpu: float
    quiet: list[float]
    busy: list[float]


def main() -> None:
    """Measure, and print a table."""
    given = _arguments()
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    clients = min(given.clients, room - RESERVE)
    if clients < given.clients:
        print(f"{clients:,} clients: ulimit -n allows {room:,} open files", file=sys.stderr)
    print(
        f"{'clients':>8} {'jitter s':>9} {'all served s':>13} {'a client waits s, median':>25} "
        f"{'p99':>6} {'most':>6} {'refused':>8} {'CPU us each':>12} "
        f"{'writes ms before, p99':>22} {'meanwhile, median':>18} {'p99':>6} {'most':>6}"
    )
    server = HerdServer(given.connect_rate)
    with _site(server, given.documents) as (site, started):
        tokens = own_tokens(site, clients)
        herd = Herd(site, tokens, given.processes)
        try:
            herd.order(f"connect {PACE}")
            herd.figures()
            for jitter in given.jitter:
                process = started.again()
                print(_line(jitter, asyncio.run(_return(site, process, herd, jitter))), flush=True)
        finally:
            herd.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.herd", description=__doc__)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--jitter", type=float, nargs="+", default=[0, 1, 5, 10])
    parser.add_argument("--documents", type=int, default=100, help="that the clients share")
    parser.add_argument("--processes", type=int, default=2, help="of clients")
    parser.add_argument("--connect-rate", type=int, help="of the server; its default otherwise")
    return parser.parse_args()


class _Started:
    """A server that can be started again."""

    def __init__(self, server: HerdServer, site: Site, log: Path) -> None:
        self._server, self._site, self._log = server, site, log
        self.process = Process(server.command(site), site.port, log)

    def again(self) -> Process:
        """Stop the server, and start it again."""
        self.process.stop()
        self.process = Process(self._server.command(self._site), self._site.port, self._log)
        return self.process


@contextmanager
def _site(server: HerdServer, documents: int) -> Iterator[tuple[Site, _Started]]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="bench-herd-")))
        port = free_ports()
        redis = start_redis(port + 9, directory / "redis", "always")
        stack.callback(redis.stop)
        (directory / "target").mkdir()
        site = Site(port, f"redis://127.0.0.1:{port + 9}", directory / "target", documents)
        started = _Started(server, site, directory / "log")
        stack.callback(lambda: started.process.stop())
        server.prepare(site)
        for number in range(WRITERS):
            create(site, f"written-{number}", {})
        yield site, started


async def _return(site: Site, process: Process, herd: Herd, jitter: float) -> Return:
    """Let the herd return while others write."""
    begun, ended = asyncio.Barrier(WRITERS + 1), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        writers = [
            tasks.create_task(_write(site, f"written-{number}", begun, ended))
            for number in range(WRITERS)
        ]
        await begun.wait()
        await asyncio.sleep(QUIET)
        cpu, began = process.cpu(), time.monotonic()
        herd.order(f"return {jitter}")
        figures = await asyncio.to_thread(herd.figures)
        cpu = process.cpu() - cpu
        ended.set()
    took = [each for writer in writers for each in writer.result()]
    return Return(
        figures=figures,
        cpu=cpu,
        quiet=sorted(seconds for due, seconds in took if due < began),
        busy=sorted(seconds for due, seconds in took if due >= began),
    )


async def _write(
    site: Site, name: str, begun: asyncio.Barrier, ended: asyncio.Event
) -> list[tuple[float, float]]:
    """Write until the end; when each write was due, and how long after that it was confirmed."""
    took = []
    async with connected(site) as client:
        await _set(client, name)
        await begun.wait()
        due = time.monotonic()
        while not ended.is_set():
            await asyncio.sleep(due - time.monotonic())
            await _set(client, name)
            took.append((due, time.monotonic() - due))
            due += WRITE_INTERVAL
    return took


async def _set(client: NativeClient, name: str) -> None:
    await client.request("set", document=name, data=DATA)


def _line(jitter: float, found: Return) -> str:
    waits, count = found.figures["waits"], len(found.figures["waits"])
    busy = [1000 * _at(found.busy, part) for part in (0.5, 0.99, 1)]
    return (
        f"{count:>8,} {jitter:>9g} {found.figures['seconds']:>13.1f} {_at(waits, 0.5):>25.2f} "
        f"{_at(waits, 0.99):>6.2f} {waits[-1]:>6.2f} {found.figures['refused']:>8,} "
        f"{found.cpu / count * 1e6:>12.0f} {1000 * _at(found.quiet, 0.99):>22.1f} "
        f"{busy[0]:>18.1f} {busy[1]:>6.1f} {busy[2]:>6.1f}"
    )


def _at(values: Sequence[float], part: float) -> float:
    return values[min(len(values) - 1, int(part * len(values)))] if values else float("nan")


if __name__ == "__main__":
    main()

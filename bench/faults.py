"""Injects faults and checks that the promises are kept; measures how long recovery takes.

    python bench/faults.py [--clients 167] [--rate 200] [--duration 20] [NAME …]

Each fault gets its own Redis and its own server with two workers. `syncline verify` writes and
subscribes with all its kinds of clients, and runs the fault in the middle. Prints one table: the
number of lost acknowledged writes must be 0, and all clients must converge (verdict "green").
`pause` is the longest time without an acknowledged write. The last columns are the delay from an
acknowledgement to the event at a subscriber, of the slowest kind of client. Runs on Linux; the
fault with a network namespace needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from syncline_server.storage.redis import embedded

SYNCLINE = Path(sys.executable).with_name("syncline")
PORT, REDIS_PORT = 8611, 7611
HOST_ADDRESS, SPACE_ADDRESS = "10.203.7.1", "10.203.7.2"
SPACE, LINK, SPACE_LINK = "syncline-bench", "slb0", "slb1"


@dataclass
class Site:
    """The processes of a Redis and of a server that uses it.

    Attributes:
        redis: command that starts Redis, for faults that end it.
        redis_id: file with the process id of Redis.
    """

    directory: Path
    address: str
    redis: list[str]
    redis_id: Path
    server: subprocess.Popen[str]
    url: str

    @property
    def start_redis(self) -> str:
        """Shell command that starts Redis again, in the background."""
        return f"({shlex.join(self.redis)} >/dev/null 2>&1 & echo $! > {self.redis_id})"

    @property
    def kill(self) -> str:
        """Shell command that sends Redis the signal that follows it."""
        return f"sh -c 'kill -$0 $(cat {self.redis_id})'"


def faults() -> dict[str, Callable[[Site], str]]:
    """Shell commands of the faults by name; each causes the fault and ends after the repair."""
    return {
        "redis killed": lambda site: f"{site.kill} KILL; sleep 0.5; {site.start_redis}",
        "redis paused 10 s": lambda site: f"{site.kill} STOP; sleep 10; {site.kill} CONT",
        "feed cut": lambda site: _command(site, "CLIENT", "KILL", "TYPE", "pubsub"),
        "packets swallowed 5 s": lambda site: (
            f"ip link set {LINK} down; sleep 5; ip link set {LINK} up"
        ),
        "worker killed": lambda site: (
            f"pkill -KILL -n -P {site.server.pid} -f syncline_server.runtime.worker"
        ),
        "workers renewed": lambda site: f"kill -HUP {site.server.pid}; sleep 5",
        "server stopped": lambda site: (
            f"kill -TERM {site.server.pid}; "
            f"while pgrep -f 'serve --[p]ort {PORT}' >/dev/null; do sleep 0.1; done; "
            f"(sh {site.directory}/serve.sh >/dev/null 2>&1 &); sleep 2"
        ),
    }


def main() -> None:
    """Run the named faults, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(faults()))
    parser.add_argument("--clients", type=int, default=167, help="of each kind")
    parser.add_argument("--follow", type=int, default=3, help="documents that each follows")
    parser.add_argument("--rate", type=int, default=200, help="writes a second")
    parser.add_argument("--duration", type=int, default=20, help="seconds of writing")
    given = parser.parse_args()
    print(
        f"{'fault':<22} {'verdict':<8} {'acknowledged':>12} {'refused':>8} {'unknown':>8} "
        f"{'lost':>5} {'pause s':>8} {'median s':>9} {'worst s':>8}",
        flush=True,
    )
    for name, command in faults().items():
        if not given.names or name in given.names:
            _report(name, _run(name, command, given))


def _run(name: str, command: Callable[[Site], str], given: argparse.Namespace) -> dict[str, Any]:
    with _site(in_space="swallowed" in name) as site:
        verify = [
            *(str(SYNCLINE), "verify", "--url", site.url, "--faults", "none"),
            *("--data-dir", str(site.directory / "data"), "--patience", "60"),
            *("--output", str(site.directory / "out"), "--duration", str(given.duration)),
            *("--clients", str(given.clients), "--follow", str(given.follow)),
            *("--rate", str(given.rate), "--during", command(site)),
        ]
        subprocess.run(verify, check=False, stdout=subprocess.DEVNULL)
        verdict: dict[str, Any] = json.loads((site.directory / "out/verdict.json").read_bytes())
        verdict["pause"] = _longest_pause(site.directory / "out/history.jsonl")
        return verdict


def _longest_pause(history: Path) -> float:
    """The longest time without an acknowledged write, in seconds."""
    with history.open() as lines:
        records = (json.loads(line) for line in lines if '"answered"' in line)
        times = [record["at"] for record in records if record["outcome"] == "acknowledged"]
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


def _report(name: str, verdict: dict[str, Any]) -> None:
    figures = verdict["figures"]
    writes, delays = figures["writes"], figures["delay"].values()
    lost = sum(
        len(check["findings"])
        for check in verdict["checks"]
        if check["name"] in ("kept", "counters")
    )
    print(
        f"{name:<22} {verdict['verdict']:<8} {writes['acknowledged']:>12} {writes['refused']:>8} "
        f"{writes['unknown']:>8} {lost:>5} {verdict['pause']:>8.2f} "
        f"{max(delay['median'] for delay in delays):>9.4f} "
        f"{max(delay['worst'] for delay in delays):>8.2f}",
        flush=True,
    )
    for check in verdict["checks"]:
        for finding in check["findings"][:3]:
            print(f"    {check['name']}: {finding}", flush=True)


@contextmanager
def _site(*, in_space: bool) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as made, _space(in_space) as prefix:
        directory = Path(made)
        address = SPACE_ADDRESS if in_space else "127.0.0.1"
        redis = [
            *(*prefix, str(embedded._find_binary()), "--bind", address, "--dir", made),
            *("--port", str(REDIS_PORT), "--protected-mode", "no"),
            *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
        ]
        redis_id = directory / "redis.pid"
        process = subprocess.Popen(redis, stdout=subprocess.DEVNULL)
        redis_id.write_text(f"{process.pid}\n")
        command = _serve(directory, address)
        # In a file: `pgrep -f` must not match the command line of a shell instead of the server's.
        (directory / "serve.sh").write_text(f"exec {shlex.join(command)}\n")
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        try:
            yield Site(directory, address, redis, redis_id, server, url)
        finally:
            subprocess.run(["pkill", "-TERM", "-f", f"serve --port {PORT}"], check=False)
            server.wait()
            time.sleep(1)
            os.kill(int(redis_id.read_text()), signal.SIGKILL)


def _serve(directory: Path, address: str) -> list[str]:
    return [
        *(str(SYNCLINE), "serve", "--port", str(PORT), "--workers", "2"),
        *("--data-dir", f"{directory}/data", "--redis-url", f"redis://{address}:{REDIS_PORT}"),
    ]


@contextmanager
def _space(wanted: bool) -> Iterator[list[str]]:
    """Make a network namespace with a link; yield the prefix of commands that run in it."""
    if not wanted:
        yield []
        return
    for line in (
        f"ip netns add {SPACE}",
        f"ip link add {LINK} type veth peer name {SPACE_LINK} netns {SPACE}",
        f"ip addr add {HOST_ADDRESS}/24 dev {LINK}",
        f"ip link set {LINK} up",
        f"ip -n {SPACE} addr add {SPACE_ADDRESS}/24 dev {SPACE_LINK}",
        f"ip -n {SPACE} link set {SPACE_LINK} up",
    ):
        subprocess.run(line.split(), check=True)
    try:
        yield ["ip", "netns", "exec", SPACE]
    finally:
        subprocess.run(["ip", "netns", "del", SPACE], check=True)


def _command(site: Site, *words: str) -> str:
    """Shell command that sends one command to Redis."""
    program = (
        "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); "
        "s.sendall(' '.join(sys.argv[3:]).encode() + b'\\r\\n'); s.recv(99)"
    )
    return shlex.join([sys.executable, "-c", program, site.address, str(REDIS_PORT), *words])


if __name__ == "__main__":
    main()

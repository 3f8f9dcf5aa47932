"""`syncline bench`: measures the capacity of a server."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import asdict

import click
import orjson
import uvloop
from rich.console import Console

from syncline_tools.benchmark.figures import Figures
from syncline_tools.benchmark.report import render
from syncline_tools.benchmark.run import Benchmark, Shape
from syncline_tools.benchmark.socket import Place

from .access import Access
from .access_options import with_access
from .help import Command

__all__ = ["bench"]

SPARE_FILES = 64
"""Open files to allow in addition to one per connection."""


@click.command(
    cls=Command,
    prints=False,
    epilog="""\b
Exit status:
  0    the measurement is complete
  1    the server refused a request of the run
  2    wrong usage, or no credentials
  3    no connection, or the connection was lost
  130  interrupted by Ctrl-C
""",
)
@click.option(
    "--subscribers", type=click.IntRange(1, 100_000), default=200, help="Clients that subscribe."
)
@click.option(
    "--writers",
    type=click.IntRange(1, 1000),
    default=1,
    help="Clients that write, each to one document of its own; the subscribers are divided among "
    "these documents.",
)
@click.option("--duration", type=click.FloatRange(1, 3600), default=15, help="Seconds of load.")
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 10_000),
    default=20,
    help="Events per second while delays are measured.",
)
@click.option(
    "--size", type=click.IntRange(64, 1024 * 1024), default=200, help="Bytes in a document."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@with_access
def bench(
    access: Access,
    *,
    subscribers: int,
    writers: int,
    duration: float,
    rate: float,
    size: int,
    as_json: bool,
) -> None:
    """Measure the capacity of a server with real clients.

    Clients of the native protocol subscribe to documents. The documents are written at a fixed
    rate, and then as fast as all subscribers receive each event. Then other documents, without
    subscribers, are written as fast as possible. The result is an estimate of how many subscribers
    the server can serve. If you run this on the server's own machine, the clients use part of its
    processors.

    The documents are removed at the end. Credentials are found as for `syncline doc`.
    """
    if access.token is None:
        raise click.UsageError(
            "bench needs a token, or SYNCLINE_ACCOUNT_SID with SYNCLINE_API_KEY_SID and "
            "SYNCLINE_API_KEY_SECRET to make one."
        )
    _allow_files(subscribers + writers + SPARE_FILES)
    shape = Shape(subscribers=subscribers, writers=writers, duration=duration, rate=rate, size=size)
    figures = _measure(Place(access.url, access.token, access.tls), shape)
    if as_json:
        click.echo(_json(figures), nl=False)
    else:
        Console().print(render(figures))


def _measure(place: Place, shape: Shape) -> Figures:
    console = Console(stderr=True)

    def print_line(line: str) -> None:
        if console.is_terminal:
            console.print(f"{line} …", style="dim")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Benchmark(place, shape, print_line).run())


def _allow_files(count: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and count > most:
        raise click.UsageError(
            f"these connections need {count} open files; this system allows {most} (ulimit -n)."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _json(figures: Figures) -> bytes:
    capacity = [asdict(each) for each in figures.capacity]
    body = {**asdict(figures), "capacity": capacity, "is_lower_bound": figures.is_lower_bound}
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)

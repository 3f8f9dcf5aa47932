"""`syncline verify`."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import orjson
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from syncline_server.config.settings import Settings
from syncline_server.config.urls import is_loopback
from syncline_server.config.validation import SettingError
from syncline_server.storage.redis.urls import engine_of
from syncline_tools.verify.history import History
from syncline_tools.verify.items.observer import MakeObserver
from syncline_tools.verify.plan import FaultKind
from syncline_tools.verify.report import render
from syncline_tools.verify.run import Verification
from syncline_tools.verify.shape import DOCUMENTS, Shape
from syncline_tools.verify.timeline import draw
from syncline_tools.verify.verdict import Conclusion, Verdict, judge

from .access import Access
from .access_options import with_access
from .channel_observer import ChannelObserver
from .help import Command
from .output import show_line
from .output_format import output_format, output_option

__all__ = ["verify"]

RED = 1
"""The exit status where a promise was broken."""

INCONCLUSIVE = 4
"""The exit status where the run did not show enough."""

COMMAND_FAILED = 5
"""The exit status where a command of the user failed, and no promise was broken."""

SEEDS = 1_000_000

NO_FAULTS = "none"

PROGRESS_INTERVAL = 0.2
"""Seconds between looks at how far a run is."""


class FaultKinds(click.ParamType[tuple[FaultKind, ...]]):
    """Kinds of faults with commas between them, or `none`."""

    name = "kinds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[FaultKind, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return () if value == NO_FAULTS else tuple(map(FaultKind, value.split(",")))
        except ValueError:
            known = ", ".join(FaultKind)
            self.fail(f"give {NO_FAULTS}, or some of {known}, separated by commas.", param, ctx)


class Types(click.ParamType[frozenset[str]]):
    """Types of objects with commas between them."""

    name = "types"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[str]:
        if isinstance(value, frozenset):
            return value
        given = [_NAMES.get(name, "") for name in value.split(",")]
        if "" in given:
            self.fail(f"give some of {', '.join(_NAMES)}, separated by commas.", param, ctx)
        return frozenset(given)


_NAMES = {DOCUMENTS: DOCUMENTS, "lists": "list", "maps": "map", "streams": "stream"}


@click.command(
    cls=Command,
    prints=False,
    params=[output_option("-o")],
    epilog="""\b
Exit status:
  0    green: every promise was tested and kept
  1    red: a promise was broken, or the server refused a request of the run
  2    wrong usage, or no credentials
  3    no connection, or the server did not come back
  4    inconclusive: too little happened to judge every promise; use a longer --duration
  5    inconclusive: a COMMAND failed
  130  interrupted by Ctrl-C
""",
)
@click.option("--duration", type=click.FloatRange(1, 600), default=30, help="Seconds of writing.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    show_default="a random one",
    help="Seed of the random choices; the same seed repeats the faults and writes of a run.",
)
@click.option(
    "--faults",
    type=FaultKinds(),
    default=",".join(FaultKind),
    help=f"Faults of the clients' connections, separated by commas, or {NO_FAULTS}.",
)
@click.option("--clients", type=click.IntRange(1, 200), default=2, help="Clients of each kind.")
@click.option(
    "--documents", type=click.IntRange(7, 500), default=20, help="Documents that exist at a time."
)
@click.option(
    "--follow",
    type=click.IntRange(1),
    show_default="all",
    help="Documents that each client subscribes to; more of them cost more events per write.",
)
@click.option(
    "--rate",
    type=click.FloatRange(1, 1000),
    default=50,
    help="Writes of documents per second of all clients together; items have half as many.",
)
@click.option(
    "--types",
    type=Types(),
    default=",".join(_NAMES),
    help="Types of objects to test, separated by commas.",
)
@click.option(
    "--redis-url",
    envvar="SYNCLINE_REDIS_URL",
    show_envvar=True,
    show_default="the embedded one of a data directory on this machine, if it runs",
    help="The server's Redis, to subscribe there to the events of lists, maps and streams.",
)
@click.option(
    "--redis-prefix",
    envvar="SYNCLINE_REDIS_PREFIX",
    show_envvar=True,
    default="",
    help="What the keys of the server begin with in that Redis.",
)
@click.option(
    "--during",
    "commands",
    multiple=True,
    metavar="COMMAND",
    help="Shell command to run in the middle of the run; several are spread evenly.",
)
@click.option(
    "--patience",
    type=click.FloatRange(1, 600),
    default=30,
    help="Maximum seconds until all clients converge after the last fault.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("syncline-verify"),
    help="Directory for history.jsonl, timeline.svg and verdict.json; -o is how to print.",
)
@with_access
def verify(
    access: Access,
    *,
    duration: float,
    seed: int | None,
    faults: tuple[FaultKind, ...],
    clients: int,
    documents: int,
    follow: int | None,
    rate: float,
    types: frozenset[str],
    redis_url: str | None,
    redis_prefix: str,
    commands: tuple[str, ...],
    patience: float,
    output: Path,
) -> None:
    """Put a server's promises to the test.

    Clients of four kinds (the native protocol, REST with event streams, Twilsock, the Python
    client) write to documents of their own and subscribe to them, over connections that break,
    stall and send requests twice. Other clients lose conditional writes on purpose. The command
    compares all that they receive with the promises: no acknowledged write is lost, counters are
    exact, revisions only grow, every undisturbed subscriber receives each change once, in order
    and in time, and all clients end with the stored state.

    More clients write to a list, a map and a stream over the native protocol, REST and Twilsock.
    Others observe them on each wire, and by event streams: everything, or a part of the map. Two
    subscribe in the server's Redis where the command can reach it. No acknowledged write of an item
    is lost, conditions hold, batches are applied whole or not at all, no index is used twice, every
    undisturbed observer receives each change of its part once, in order and in time, a writer has
    its reply before its event, and what changed since a revision leads to what is stored.

    All that the command made is removed at the end. Except for COMMAND, nothing else on the server
    changes. Credentials are found as for `syncline doc`.
    """
    if access.token is None:
        raise click.UsageError(
            "verify needs a token, or SYNCLINE_ACCOUNT_SID with SYNCLINE_API_KEY_SID and "
            "SYNCLINE_API_KEY_SECRET to make one."
        )
    shape = Shape(
        seed=random.randrange(SEEDS) if seed is None else seed,
        duration=duration,
        faults=faults,
        clients=clients,
        documents=documents,
        follow=follow or documents,
        rate=rate,
        patience=patience,
        commands=commands,
        types=types,
    )
    verification = partial(
        Verification,
        access.url,
        access.service,
        access.token,
        shape,
        tls=access.tls,
        observers=_observers(redis_url or _embedded_redis(access.url), redis_prefix),
    )
    verdict = _verify(verification, shape, _make_directory(output))
    _save(verdict, output)
    _show(verdict, output)
    if status := _status(verdict):
        raise click.exceptions.Exit(status)


def _status(verdict: Verdict) -> int:
    if verdict.conclusion is Conclusion.RED:
        return RED
    if verdict.command_failed:
        return COMMAND_FAILED
    return 0 if verdict.green else INCONCLUSIVE


def _observers(redis_url: str | None, redis_prefix: str) -> list[MakeObserver]:
    """Those that receive events of items: none without the server's Redis."""
    if redis_url is None:
        return []
    settings = Settings(redis_prefix=redis_prefix)
    try:
        engine_of(redis_url, settings.redis_timeout)
    except SettingError as error:
        raise click.UsageError(f"{error}.") from None
    return [lambda sight: ChannelObserver(redis_url, settings, sight=sight)]


def _embedded_redis(url: str) -> str | None:
    """The Redis of a server on this machine, in the data directory whose credentials are used."""
    data_dir = click.get_current_context().params.get("data_dir")
    if data_dir is None and not is_loopback(urlsplit(url).hostname or ""):
        return None
    socket = Path(data_dir or Settings().data_dir).absolute() / "redis" / "redis.sock"
    return f"unix://{socket}" if socket.exists() else None


def _verify(verification: Callable[..., Verification], shape: Shape, output: Path) -> Verdict:
    # A client's warnings of lost connections are no news here.
    logging.getLogger("syncline").addHandler(logging.NullHandler())
    with (
        (output / "history.jsonl").open("wb") as file,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):

        async def run() -> Verdict:
            history = History(file)
            async with _progress(history, shape):
                await verification(history=history).run()
            return judge(history.records)

        return runner.run(run())


@asynccontextmanager
async def _progress(history: History, shape: Shape) -> AsyncIterator[None]:
    """A bar on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("Verifying…", total=shape.duration)

        async def watch() -> None:
            while True:
                bar.update(task, completed=history.now(), description=_situation(history, shape))
                await asyncio.sleep(PROGRESS_INTERVAL)

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()


def _situation(history: History, shape: Shape) -> str:
    left = shape.duration - history.now()
    doing = (
        f"Verifying, {left:.0f} s left" if left > 0 else "Waiting until all clients have converged"
    )
    return f"{doing} · {len(history.records)} records"


def _make_directory(output: Path) -> Path:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"--output {output} cannot be created: {error.strerror}.") from None
    return output


def _save(verdict: Verdict, output: Path) -> None:
    (output / "timeline.svg").write_text(draw(verdict), encoding="utf-8")
    (output / "verdict.json").write_bytes(_json(verdict))


def _show(verdict: Verdict, output: Path) -> None:
    if output_format() != "table":
        return show_line(verdict.body)
    console = Console()
    console.print(render(verdict))
    console.print(f"{output} contains history, timeline and verdict", style="dim")


def _json(verdict: Verdict) -> bytes:
    return orjson.dumps(verdict.body, option=orjson.OPT_APPEND_NEWLINE)

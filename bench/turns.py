"""Measures what turns cost clients that contend for a document, and clients that do not.

    python -m bench.turns [--seconds 12]

Starts its own server, and prints a line for each scenario: clients that `mutate` one document,
alone and while another client increments it; clients that lose on purpose and do not retry, next to
another client; and people who are shown a conflict, next to a counter.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from bench.harness.contending import connected_contenders
from bench.harness.target import Command
from bench.stalled import SYNCLINE
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from syncline_protocol.native import SUBPROTOCOL
from syncline_server.auth.authenticator import mint_token
from syncline_server.config.credentials import Credentials, load_credentials

CONTENDERS = 100
LOSERS = 8
COUNTER_PAUSE = 0.2
"""Seconds from one increment of the counter to the next."""

Reply = dict[str, Any]


class Client:
    """A client of the native protocol with one connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = count(1)

    async def send_request(self, do: str, **members: Any) -> Reply:
        """Send a request and return the reply; events that arrive before it are dropped."""
        request_id = next(self._ids)
        request = {"id": request_id, "do": do, **members}
        await self._connection.send(orjson.dumps(request), text=True)
        while True:
            message: Reply = orjson.loads(await self._connection.recv())
            if message.get("id") == request_id:
                return message

    async def document(self, do: str, **members: Any) -> Reply:
        """Send a request; return the document in the reply or in the refusal (the newest state)."""
        reply = await self.send_request(do, **members)
        document: Reply = (reply.get("ok") or reply["error"])["document"]
        return document

    async def mutate(self, name: str, known: Reply) -> Reply:
        """Write with `if_match`, and retry with the newest revision until the write succeeds."""
        data = {"mutated": True}
        while "ok" not in (
            reply := await self.send_request(
                "set", document=name, data=data, if_match=known["revision"]
            )
        ):
            known = reply["error"]["document"]
        document: Reply = reply["ok"]["document"]
        return document


class Server:
    """A running server."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self.url = url
        self._credentials = credentials

    def token(self, identity: str) -> str:
        """Make an access token."""
        return mint_token(self._credentials, identity, 3600)

    @property
    def basic(self) -> tuple[str, str]:
        """Basic login of the account: user and password."""
        return self._credentials.account_sid, self._credentials.auth_token

    @asynccontextmanager
    async def client(self, identity: str, name: str) -> AsyncIterator[Client]:
        """Open a client that subscribes to the document."""
        address = f"{self.url.replace('http', 'ws', 1)}/v1/ws"
        async with connect(address, subprotocols=[Subprotocol(SUBPROTOCOL)]) as connection:
            client = Client(connection)
            await client.send_request("auth", token=self.token(identity))
            await client.send_request("open", document=name)
            yield client


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server with default settings."""
    with tempfile.TemporaryDirectory() as directory:
        command = [str(SYNCLINE), "serve", f"--data-dir={directory}", "--port=0"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            try:
                yield Server(url, load_credentials(Path(directory), {}))
            finally:
                process.terminate()


class Waits(list[float]):
    """Durations in seconds of repeated work."""

    async def measure(self, work: Awaitable[Any]) -> Any:
        """Await `work`, record its duration, and return its result."""
        began = time.monotonic()
        result = await work
        self.append(time.monotonic() - began)
        return result

    def __str__(self) -> str:
        if not self:
            return "none"
        mean, longest = statistics.mean(self) * 1000, max(self) * 1000
        return f"{len(self)}, mean {mean:.1f} ms, longest {longest:.0f} ms"


async def repeat(end: float, pause: float, work: Callable[[], Awaitable[Any]]) -> None:
    """Repeat `work` until `end`; start it at most once every `pause` seconds."""
    while (began := time.monotonic()) < end:
        await work()
        await asyncio.sleep(max(0.0, began + pause - time.monotonic()))


async def contend(server: Server, seconds: float, *, beside_increments: bool) -> None:
    """100 clients call `mutate` on one document."""
    name = f"contended-{beside_increments}"
    program = [sys.executable, "-m", "bench.harness.programs.contend_python"]
    target = [server.url, server.token("many"), name]
    increments = Waits()
    with ExitStack() as stack:
        contending = connected_contenders(
            lambda clients: Command([*program, *target, str(clients), str(seconds)]), CONTENDERS
        )
        change = await asyncio.to_thread(stack.enter_context, contending)
        contenders = asyncio.create_task(asyncio.to_thread(change))
        if beside_increments:
            async with server.client("bystander", name) as client:
                add = partial(client.send_request, "patch", document=name, increment={"/n": 1})
                await repeat(time.monotonic() + seconds, 0.01, lambda: increments.measure(add()))
        figures = await contenders
    print(
        f"{CONTENDERS} clients mutate{', beside increments' if beside_increments else ''}: "
        f"{figures['attempts'] / figures['commits']:.2f} tries a commit, "
        f"{figures['commits'] / figures['seconds']:.0f} commits a second, "
        f"longest wait {figures['longest_wait'] / figures['mean_wait']:.1f} of the mean; "
        f"increments {increments}"
    )


async def lose(server: Server, end: float, name: str, number: int, pause: float) -> None:
    """Read a state, wait until it is stale, write with `if_match`, and do not retry."""
    async with server.client(f"loser {number}", name) as client:

        async def once() -> None:
            known = await client.document("get", document=name)
            await asyncio.sleep(pause)
            await client.send_request("set", document=name, data={}, if_match=known["revision"])

        await asyncio.sleep(number * 0.1)
        await repeat(end, 2 * pause, once)


async def bystand(server: Server, seconds: float) -> None:
    """A client increments, sets and mutates while other clients lose on purpose."""
    name, end = "lost", time.monotonic() + seconds
    increments, sets, mutations = Waits(), Waits(), Waits()
    async with server.client("bystander", name) as client:

        async def once() -> None:
            await increments.measure(
                client.send_request("patch", document=name, increment={"/n": 1})
            )
            written = await sets.measure(client.document("set", document=name, data={}))
            await mutations.measure(client.mutate(name, written))

        losers = (lose(server, end, name, number, 0.3) for number in range(LOSERS))
        await asyncio.gather(repeat(end, 0.02, once), *losers)
    print(f"{LOSERS} lose on purpose: increments {increments}; sets {sets}; mutate {mutations}")


async def count_beside(server: Server, seconds: float) -> None:
    """A counter and a mutating client, while people are shown their conflicts."""
    name, end = "shown", time.monotonic() + seconds
    increments, mutations = Waits(), Waits()
    async with server.client("counter", name) as counter, server.client("other", name) as other:

        async def mutate() -> None:
            known = await other.document("get", document=name)
            await mutations.measure(other.mutate(name, known))

        add = partial(counter.send_request, "patch", document=name, increment={"/n": 1})
        people = (lose(server, end, name, number, 0.5) for number in range(LOSERS))
        await asyncio.gather(
            repeat(end, COUNTER_PAUSE, lambda: increments.measure(add())),
            repeat(end, COUNTER_PAUSE, mutate),
            *people,
        )
    print(f"{LOSERS} are shown conflicts: increments {increments}; mutate {mutations}")


async def run(seconds: float) -> None:
    """Run all scenarios, one after the other."""
    with serving() as server:
        await contend(server, seconds, beside_increments=False)
        await contend(server, seconds, beside_increments=True)
        await bystand(server, seconds)
        await count_beside(server, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="Seconds of each scene.")
    asyncio.run(run(parser.parse_args().seconds))

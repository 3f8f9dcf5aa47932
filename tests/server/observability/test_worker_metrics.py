from __future__ import annotations

import asyncio
import signal
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx2
import psutil
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from support.api import DocumentsApi
from support.metrics import Scrape, scrape
from support.server import RunningServer, StartServer
from support.socket import WAIT, native_socket
from support.stream import event_stream
from support.twilsock import twilsock_client
from syncline_protocol import __version__
from syncline_server.observability.metrics import Gauges, Meters
from syncline_server.observability.prometheus import ProcessMetrics, encode
from syncline_server.observability.worker_metrics import WorkerMetrics
from syncline_server.observability.worker_queries import ANSWER_TIMEOUT

COUNT = 3


async def idle() -> Gauges:
    return Gauges(
        loads=[],
        redis_connected=True,
        redis_pending=0,
        redis_round_trip=0.0,
        feed_live=True,
        feed_lag=0.0,
    )


@asynccontextmanager
async def gatherings(directory: Path, *numbers: int) -> AsyncIterator[list[WorkerMetrics]]:
    """Those of the workers with these numbers; each has let as many streams in, and one more."""
    async with AsyncExitStack() as running:
        made = []
        for number in numbers:
            meters = Meters()
            meters.wires["sse"].connections = number + 1
            process_metrics = ProcessMetrics(meters, number, idle)
            worker_metrics = WorkerMetrics(process_metrics, COUNT, directory)
            await worker_metrics.start()
            running.push_async_callback(worker_metrics.stop)
            made.append(worker_metrics)
        yield made


async def scrape_worker(worker_metrics: WorkerMetrics) -> Scrape:
    return Scrape(encode(await worker_metrics.families(), None)[0].decode())


def accepted(scraped: Scrape, worker: str) -> float:
    return scraped.value("syncline_accepted_connections_total", wire="sse", worker=worker)


def up(scraped: Scrape) -> list[float]:
    return [scraped.value("syncline_worker_up", worker=str(number)) for number in range(COUNT)]


async def test_whoever_is_asked_reports_all(tmp_path: Path) -> None:
    async with gatherings(tmp_path, 0, 1, 2) as all_of_them:
        for worker_metrics in all_of_them:
            scraped = await scrape_worker(worker_metrics)
            assert [accepted(scraped, number) for number in "012"] == [1, 2, 3]
            assert up(scraped) == [1, 1, 1]
            names = [family.name for family in scraped.families]
            assert len(names) == len(set(names))


async def test_who_is_not_there_is_down(tmp_path: Path) -> None:
    async with gatherings(tmp_path, 0, 1) as (asked, gone):
        await gone.stop()
        scraped = await scrape_worker(asked)
        assert up(scraped) == [1, 0, 0]
        assert set(scraped.labels("worker")) == {"0", "1", "2"}
        assert accepted(scraped, "0") == 1


@pytest.mark.parametrize("said", [None, b"", b"[[", b"[[1]]"])
async def test_who_says_nothing_or_nonsense_is_down(tmp_path: Path, said: bytes | None) -> None:
    """None: it holds the connection, and its tongue."""
    open_writers = []

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        if said is not None:
            writer.write(said)
            writer.close()

    async with gatherings(tmp_path, 0, 2) as (asked, _):
        other = await asyncio.start_unix_server(answer, tmp_path / "1.sock")
        try:
            began = time.monotonic()
            async with asyncio.timeout(WAIT):
                scraped = await scrape_worker(asked)
            assert up(scraped) == [1, 0, 1]
            assert said is not None or time.monotonic() - began >= ANSWER_TIMEOUT
        finally:
            other.close()
            for writer in open_writers:
                writer.close()


async def test_the_one_in_its_place_answers(tmp_path: Path) -> None:
    async with gatherings(tmp_path, 0, 1) as (asked, old):
        async with gatherings(tmp_path, 1) as [new]:
            await old.stop()
            assert up(await scrape_worker(asked)) == [1, 1, 0]
            assert up(await scrape_worker(new)) == [1, 1, 0]


async def test_who_serves_alone_asks_nobody() -> None:
    process_metrics = ProcessMetrics(Meters(), 0, idle)
    alone = WorkerMetrics(process_metrics, 1, None)
    await alone.start()
    scraped = await scrape_worker(alone)
    await alone.stop()
    assert set(scraped.labels("worker")) == {"0"}
    assert scraped.value("syncline_worker_up") == 1


WRITERS = 4
READERS = 3
WRITES = 25


async def load(server: RunningServer, stack: AsyncExitStack) -> None:
    """On every wire: sockets that write and read, streams and an SDK that read, and REST.

    When it returns, every client has received everything, and stays.
    """
    with DocumentsApi(server) as api:
        sid = api.create(UniqueName="load")["sid"]
        writers = [await stack.enter_async_context(native_socket(server)) for _ in range(WRITERS)]
        for writer in writers:
            await writer.ok("open", document="load")
        streams = [
            await stack.enter_async_context(event_stream(server, sid)) for _ in range(READERS)
        ]
        for stream in streams:
            assert (await stream.next()).name == "state"
        sdk = await stack.enter_async_context(twilsock_client(server))
        wanted = {"object_sid": sid, "object_type": "document", "last_event_id": None}
        await sdk.subscribe("establish", 1, wanted)
        while (await sdk.event())["event_type"] != "subscription_established":
            pass
        for number in range(WRITES):
            # One after the other, so that every reader has room for each.
            await writers[number % WRITERS].ok("set", document="load", data={"n": number})
            for writer in writers:
                await writer.event()
            for stream in streams:
                await stream.next()
            await sdk.event()
        assert api.call("GET", "nothing").status_code == 404
        await writers[0].error("set", document="load", data={}, if_match="1")


def grew(before: Scrape, after: Scrape, name: str, **labels: str) -> float:
    return after.total(name, **labels) - before.total(name, **labels)


async def test_the_figures_of_a_load(fresh_server: StartServer) -> None:
    server = fresh_server("--workers=2")
    before = scrape(server)
    async with AsyncExitStack() as stack:
        await load(server, stack)
        reply = httpx2.get(
            f"{server.url}/metrics", headers={"Accept": "application/openmetrics-text"}
        )
        after = scrape(server)
    for wire, connections in (("native", WRITERS), ("sse", READERS), ("twilsock", 1)):
        assert after.total("syncline_connections", wire=wire) == connections
        assert after.total("syncline_subscriptions", wire=wire) == connections
        accepted = "syncline_accepted_connections_total"
        assert grew(before, after, accepted, wire=wire) == connections
        assert grew(before, after, "syncline_events_total", wire=wire) == connections * WRITES
        assert grew(before, after, "syncline_conflated_events_total", wire=wire) == 0
        assert after.total("syncline_outbox_bytes", wire=wire) == 0
        assert after.total("syncline_in_flight_requests", wire=wire) == 0
    # `auth` and `open` of each, the writes, and the refused one.
    requests = "syncline_requests_total"
    assert grew(before, after, requests, wire="native") == 2 * WRITERS + WRITES + 1
    assert grew(before, after, requests, wire="twilsock") == 1
    # The document, the streams, what is not there, and two looks; the first had counted itself.
    assert grew(before, after, requests, wire="rest") == 1 + READERS + 1 + 2
    refused = "syncline_refused_requests_total"
    assert after.total(refused) == 2
    assert after.total(refused, wire="rest", code="20404") == 1
    assert after.total(refused, wire="native", code="54103") == 1
    # One that makes it, the writes, and the refused one; one of each socket's `open`, unless its
    # process has just seen the document; and each process may have to make the default service.
    commits = "syncline_commit_seconds_count"
    assert 0 <= grew(before, after, commits) - (1 + WRITES + 1) <= WRITERS + 2
    assert grew(before, after, "syncline_commit_seconds_sum") > 0
    open_writers = [
        worker for worker in ("0", "1") if after.total("syncline_subscriptions", worker=worker)
    ]
    received = len(open_writers) * WRITES
    assert grew(before, after, "syncline_feed_events_total") == received
    assert grew(before, after, "syncline_fan_out_seconds_count") == received
    assert after.total("syncline_fan_out_seconds_bucket", le="+Inf") == received
    plausible(after)
    compare(after, reply)


def plausible(scraped: Scrape) -> None:
    for worker in ("0", "1"):
        assert scraped.value("syncline_redis_connected", worker=worker) == 1
        assert scraped.value("syncline_feed_live", worker=worker) == 1
        assert 0 <= scraped.value("syncline_redis_pending_commands", worker=worker) < 100
        assert scraped.value("process_resident_memory_bytes", worker=worker) > 10_000_000
        assert scraped.value("process_cpu_seconds_total", worker=worker) > 0
        open_fds = scraped.value("process_open_fds", worker=worker)
        assert 0 < open_fds < scraped.value("process_max_fds", worker=worker)
        began = scraped.value("process_start_time_seconds", worker=worker)
        assert time.time() - 3600 < began < time.time() + 2
        assert scraped.value("syncline_build_info", version=__version__, worker=worker) == 1
    for family in scraped.families:
        if family.type in ("counter", "histogram"):
            assert all(sample.value >= 0 for sample in family.samples), family.name


def compare(scraped: Scrape, reply: httpx2.Response) -> None:
    """OpenMetrics has the same samples; its parser is the stricter one."""
    assert reply.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    parsed = openmetrics(reply.text)  # type: ignore[no-untyped-call]
    families = {family.name: family for family in parsed}
    assert set(families) == {
        family.name.removesuffix("_info") if family.name.endswith("_info") else family.name
        for family in scraped.families
    }
    shown = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    for sample in scraped.samples:
        if sample.name.startswith(("syncline_events", "syncline_subscriptions", "syncline_build")):
            assert shown[sample.name, *sorted(sample.labels.items())] == sample.value


class TestWorkers:
    async def test_one_scrape_reports_all(self, fresh_server: StartServer) -> None:
        server = fresh_server("--workers=2")
        async with AsyncExitStack() as sockets:
            for _ in range(8):
                await sockets.enter_async_context(native_socket(server))
            for _ in range(4):  # by whichever of the two
                scraped = scrape(server)
                assert scraped.total("syncline_connections", wire="native") == 8
                assert set(scraped.labels("worker")) == {"0", "1"}

    async def test_one_that_hangs_holds_up_nobody(self, fresh_server: StartServer) -> None:
        server = fresh_server("--workers=2", "--worker-timeout=600")
        workers = worker_processes(server)
        workers[0].suspend()
        try:
            scraped = await until(server, lambda scrape_worker: ups(scrape_worker) == [0, 1])
        finally:
            workers[0].resume()
        assert len(set(scraped.labels("worker"))) == 2
        await until(server, lambda scrape_worker: ups(scrape_worker) == [1, 1])

    async def test_one_that_was_replaced_answers(self, fresh_server: StartServer) -> None:
        server = fresh_server("--workers=2")
        old = {process.pid for process in worker_processes(server)}
        server.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(WAIT):
            while old & {process.pid for process in worker_processes(server)}:
                await asyncio.sleep(0.05)
        scraped = await until(server, lambda scrape_worker: ups(scrape_worker) == [1, 1])
        assert set(scraped.labels("worker")) == {"0", "1"}

    def test_nobody_else_gets_at_the_sockets(
        self, fresh_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        temporary = tmp_path / "t"
        temporary.mkdir()
        monkeypatch.setenv("TMPDIR", str(temporary))
        server = fresh_server("--workers=2")
        [directory] = temporary.iterdir()
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert all(stat.S_ISSOCK(path.stat().st_mode) for path in directory.iterdir())
        server.stop()
        assert not list(temporary.iterdir())


def worker_processes(server: RunningServer) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # it may end meanwhile
            if "syncline_server.runtime.worker" in child.cmdline():
                found.append(child)
    return found


def ups(scraped: Scrape) -> list[float]:
    """Of each worker, the ones that are down first."""
    return sorted(each.value for each in scraped.samples if each.name == "syncline_worker_up")


async def until(server: RunningServer, wanted: Callable[[Scrape], bool]) -> Scrape:
    """A scrape that is as wanted; one that comes to a worker that hangs is tried again."""
    async with asyncio.timeout(2 * WAIT), httpx2.AsyncClient() as http:
        while True:
            try:
                reply = await http.get(
                    f"{server.url}/metrics", headers={"Connection": "close"}, timeout=5
                )
            except httpx2.TransportError:
                continue
            scraped = Scrape(reply.text)
            if wanted(scraped):
                return scraped
            await asyncio.sleep(0.05)

from __future__ import annotations

import asyncio

import httpx2
import pytest

from support.api import DocumentsApi
from support.metrics import Scrape, scrape
from support.server import RunningServer, StartServer
from support.socket import WAIT, NativeSocket, native_socket
from support.stream import event_stream
from syncline_server.observability.metrics import SECONDS, Histogram


def counted(before: Scrape, after: Scrape, name: str, **labels: str) -> float:
    """By how much a sample grew."""
    return after.value(name, **labels) - before.value(name, **labels)


async def both_end(server: RunningServer) -> Scrape:
    """The metrics once no socket is open any more: the server notices the end a moment later."""
    async with asyncio.timeout(WAIT):
        while (scraped := scrape(server)).value("syncline_connections", wire="native"):
            await asyncio.sleep(0.02)
    return scraped


async def write(socket: NativeSocket, times: int) -> None:
    for number in range(times):
        await socket.ok("set", document="counted", data={"number": number})


class TestTraffic:
    async def test_sockets(self, fresh_server: StartServer) -> None:
        server = fresh_server()
        with DocumentsApi(server) as api:
            api.create()  # and the default service with it
        before = scrape(server)
        async with native_socket(server) as writer, native_socket(server) as reader:
            await writer.ok("open", document="counted")
            await reader.ok("open", document="counted")
            await writer.ok("open", document="second")
            await write(writer, 3)
            for _ in range(3):
                await writer.event()
                await reader.event()
            await reader.error("get", document="nothing")
            await reader.error("set", document="counted", data={}, if_match="1")
            during = scrape(server)
        after = await both_end(server)

        assert during.value("syncline_connections", wire="native") == 2
        assert during.value("syncline_subscriptions", wire="native") == 3
        assert during.value("syncline_in_flight_requests", wire="native") == 0
        assert during.value("syncline_outbox_bytes", wire="native") == 0
        assert after.value("syncline_subscriptions", wire="native") == 0
        assert counted(before, after, "syncline_accepted_connections_total", wire="native") == 2
        # Two of each `auth`, `open` and one more, three writes, two that are refused.
        assert counted(before, after, "syncline_requests_total", wire="native") == 10
        assert counted(before, after, "syncline_events_total", wire="native") == 6
        assert counted(before, after, "syncline_conflated_events_total", wire="native") == 0
        refused = "syncline_refused_requests_total"
        assert after.value(refused, wire="native", code="54300") == 1
        assert after.value(refused, wire="native", code="54103") == 1
        # An open asks the script that makes the document, unless this server has just seen it; and
        # so does the refused write.
        assert 6 <= counted(before, after, "syncline_commit_seconds_count") <= 7
        assert counted(before, after, "syncline_commit_seconds_sum") > 0
        assert counted(before, after, "syncline_fan_out_seconds_count") == 3

    async def test_streams_and_rest(self, fresh_server: StartServer) -> None:
        server = fresh_server()
        before = scrape(server)
        with DocumentsApi(server) as api:
            sid = api.create()["sid"]
            async with event_stream(server, sid) as stream:
                await stream.next()
                api.call("POST", sid, data={"Data": "{}"})
                await stream.next()
                during = scrape(server)
            api.call("GET", "nothing")
            api.call("POST", sid, data={"Ttl": "x"})
        after = scrape(server)
        assert during.value("syncline_connections", wire="sse") == 1
        assert during.value("syncline_subscriptions", wire="sse") == 1
        # The request that asks: an event stream is none, once it has begun.
        assert during.value("syncline_in_flight_requests", wire="rest") == 1
        assert after.value("syncline_events_total", wire="sse") == 1
        assert after.value("syncline_accepted_connections_total", wire="sse") == 1
        # A document, its stream, an update, two that are refused, and two looks more.
        assert counted(before, after, "syncline_requests_total", wire="rest") == 7
        refused = "syncline_refused_requests_total"
        assert after.value(refused, wire="rest", code="20404") == 1
        assert after.value(refused, wire="rest", code="54011") == 1

    async def test_redis_and_the_feed(self, server: RunningServer) -> None:
        # Two tasks measure these, each at its own time.
        measured = ("syncline_feed_lag_seconds", "syncline_redis_round_trip_seconds")
        async with asyncio.timeout(WAIT):
            while not all(map((scraped := scrape(server)).value, measured)):
                await asyncio.sleep(0.05)
        assert scraped.value("syncline_feed_live") == scraped.value("syncline_redis_connected") == 1
        assert scraped.value("process_resident_memory_bytes") > 0
        assert set(scraped.labels("worker")) == {"0"}


class TestAccess:
    @pytest.mark.parametrize(
        "headers", [{"Host": "sync.example.org"}, {"X-Forwarded-For": "10.0.0.1"}]
    )
    def test_from_elsewhere_the_account_only(
        self, server: RunningServer, headers: dict[str, str]
    ) -> None:
        url = f"{server.url}/metrics"
        token_header = {"Authorization": f"Bearer {server.token()}"}
        assert httpx2.get(url, headers=headers).status_code == 401
        assert httpx2.get(url, headers={**headers, **token_header}).status_code == 403
        assert httpx2.get(url, headers=headers, auth=server.basic).status_code == 200

    def test_everywhere_the_account_only(self, fresh_server: StartServer) -> None:
        server = fresh_server("--metrics-access=account")
        assert httpx2.get(f"{server.url}/metrics").status_code == 401
        assert httpx2.get(f"{server.url}/metrics", auth=server.basic).status_code == 200

    def test_wrong_credentials_are_refused_here_too(self, server: RunningServer) -> None:
        reply = httpx2.get(f"{server.url}/metrics", auth=("AC", "wrong"))
        assert reply.status_code == 401


def test_times_are_sorted_into_ranges() -> None:
    histogram = Histogram()
    for seconds in (0.0, 0.0005, 0.0006, 9.0, 11.0):
        histogram.observe(seconds)
    samples = histogram.family("times", "Times.").samples
    buckets = {sample.labels["le"]: sample.value for sample in samples if sample.labels}
    assert list(buckets) == [*map(str, SECONDS), "+Inf"]
    assert [buckets[end] for end in ("0.0005", "0.001", "5.0", "10.0", "+Inf")] == [2, 3, 3, 4, 5]
    [total] = [sample.value for sample in samples if sample.name == "times_sum"]
    assert total == pytest.approx(20.0011)
